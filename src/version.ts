// The version of the package, as package.json has it.

import { manifest } from './package-root.js';

export const version: string = manifest.version;
