// The test run: each file in a process of its own, because tests load the native addon, change process-wide settings
// such as the memory limit, and start workers. An unhandled rejection in any of them fails the run.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    setupFiles: ['test/setup.ts'],
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', './test/closing-line.ts'],
  },
});
