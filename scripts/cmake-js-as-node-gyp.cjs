#!/usr/bin/env node
// Stands in for node-gyp when prebuildify (scripts/prebuilds.mjs) builds the addon. The arguments, which are node-gyp's,
// are ignored. Builds into build/Release of the folder it is started in, where prebuildify looks for the result.

const { spawnSync } = require('node:child_process');
const { dirname, join } = require('node:path');

const cmakeJs = require.resolve('cmake-js/bin/cmake-js');
const { status } = spawnSync(
  process.execPath,
  [
    cmakeJs,
    'compile',
    '--silent',
    `--directory=${dirname(__dirname)}`,
    `--out=${join(process.cwd(), 'build')}`,
    '--CDGANVAS_PORTABLE=ON',
    `--CDGANVAS_HIGHWAY_SOURCE=${process.env.GANVAS_HIGHWAY_SOURCE}`,
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
