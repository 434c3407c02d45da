// Does InfoGAN's categorical code find the digits, without ever seeing a label? Trains for a fixed time, reads the code of
// every digit with the network Q, names each of its values after the digit that it stands for most often, and counts
// the digits that are then named wrongly.
//
//   npx tsx bench/quality/infogan.ts [--minutes 2] [--seed 1] [--config '{}'] [--json bench/results/quality-cpu.json]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HostRandom } from '../../src/data/random.js';
import { loadRecogniser, openDataset } from '../../src/index.js';
import { record } from '../report.js';
import { trainFor } from './budget.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    config: { type: 'string', default: '{}' },
    json: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const own = JSON.parse(values.config) as Record<string, unknown>;
const folder = await mkdtemp(join(tmpdir(), 'ganvas-infogan-'));
try {
  const config = {
    seed: Number(values.seed),
    device: 'cpu',
    sampleEvery: 1_000_000,
    saveEvery: 1_000_000,
    ...own,
  };
  const out = join(folder, 'run');
  const {
    step: steps,
    seconds,
    cpuSeconds,
  } = await trainFor(minutes, {
    model: 'infogan',
    data: 'mnist',
    out,
    config,
  });
  const data = await openDataset('mnist');
  const recogniser = await loadRecogniser(out, { device: 'cpu' });
  const n = data.length;
  const indices = Int32Array.from({ length: n }, (_, i) => i);
  const codes = await recogniser.recognise(await data.batch(indices, new HostRandom(0)), n);
  const width = codes.length / n;
  const [{ start, size }] = recogniser.codes.filter(({ kind }) => kind === 'categorical');
  const offset = start - Math.min(...recogniser.codes.map((code) => code.start));
  /** How often each value of the code (row) is given to each digit (column). */
  const table = Array.from({ length: size }, () => new Int32Array(10));
  for (let i = 0; i < n; i++) {
    const row = codes.subarray(i * width + offset, i * width + offset + size);
    table[row.indexOf(Math.max(...row))][data.labels![i]] += 1;
  }
  const right = table.reduce((sum, row) => sum + Math.max(...row), 0);
  const error = 1 - right / n;
  for (const [value, row] of table.entries()) console.log(`${value}: ${[...row].join(' ')}`);
  console.log(
    `${steps} steps in ${seconds.toFixed(0)} s: the code names ${(100 * error).toFixed(1)} % of ${n} digits wrongly`,
  );
  record(values.json, 'infogan: code against digits', { minutes, config: own, steps, cpuSeconds, error });
  recogniser.dispose();
} finally {
  await rm(folder, { recursive: true, force: true });
}
