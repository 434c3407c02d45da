// Run by op-table.test.ts in a process of its own: the op table with one op that nothing tests.

import { defineOp } from '../../../src/tensor/define.js';
import { main } from '../op-table.js';

defineOp<void>({ name: 'forgotten', run: (inputs) => inputs, samples: () => [] });
process.exitCode = main();
