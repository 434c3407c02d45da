// What a newcomer waits for: importing the package, and the first image from an untrained generator, each in a fresh
// process; and the size of the package as npm would publish it. Runs on dist/, so build first.

import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fixed, markdown, median, record } from './report.js';
import type { BenchOptions } from './run.js';

export const question = 'How long do import and the first sample take, and how large is the package?';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const program = `
const began = performance.now();
const { models, noGrad, version } = await import('${join(root, 'dist/index.js')}');
const imported = performance.now() - began;
const entry = models.modelEntry('dcgan');
const config = entry.schema.resolve({}, 'startup');
const { networks, latent } = entry.build(config, { height: 64, width: 64, channels: 3 });
await noGrad(() => networks.generator.eval().forward(latent.sample(1))).data();
console.log(JSON.stringify({ imported, first: performance.now() - began, process: performance.now() }));
`;

export async function run(options: BenchOptions): Promise<void> {
  const readings: { imported: number; first: number; process: number }[] = [];
  for (let i = 0; i < 2 * options.rounds + 1; i++) {
    const text = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    // The first process reads the files from the disk.
    if (i > 0) readings.push(JSON.parse(text));
  }
  const [pack] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const row = (what: string, key: keyof (typeof readings)[number]) => {
    const ms = readings.map((r) => r[key]);
    return [what, fixed(median(ms)), `${fixed(Math.min(...ms))}–${fixed(Math.max(...ms))}`];
  };
  console.log(
    markdown(
      ['what', 'ms (median)', 'min–max'],
      [
        row('import', 'imported'),
        row('import, build DCGAN-64, one image', 'first'),
        row('the same since the process began', 'process'),
      ],
    ),
  );
  const size = {
    packedMiB: pack.size / 2 ** 20,
    unpackedMiB: pack.unpackedSize / 2 ** 20,
    files: pack.entryCount,
  };
  console.log(
    `package: ${fixed(size.packedMiB, 2)} MiB packed, ${fixed(size.unpackedMiB, 2)} MiB in ${size.files} files (without the addon)`,
  );
  record(options.json, 'startup', { readings, size });
}
