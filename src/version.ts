// The version of the package, as package.json has it: seen from src/ and from dist/ it lies one folder up.

import { createRequire } from 'node:module';

export const version: string = createRequire(import.meta.url)('../package.json').version;
