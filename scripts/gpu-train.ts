// Does a GAN learn on the device? Trains DCGAN on the digits on CUDA and, from the same seed, on the CPU, and compares what
// their samples look like: finite, in range, varied, as bright as the digits, and to a classifier of digits (bench/quality)
// about as good as the CPU's. Part of scripts/gpu-check.sh.
//
//   node --import tsx scripts/gpu-train.ts [--steps 500] [--json FILE]

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openJudge } from '../bench/quality/judge.js';
import { openDataset } from '../src/data/open.js';
import { HostRandom } from '../src/data/random.js';
import { loadGenerator } from '../src/train/generator.js';
import { trainRun } from '../src/train/run.js';

const { values: options } = parseArgs({
  options: { steps: { type: 'string', default: '500' }, json: { type: 'string' } },
});
const steps = Number(options.steps);
/** From so many steps on the samples are judged; before, they are only described. */
const enough = 500;
const samples = steps < enough ? 64 : 2000;

/** Mean and standard deviation of the pixels, and how far images differ from one another: the mean over the pixels of the
 * standard deviation over the images. */
function pixelStatistics(pixels: Uint8Array, size: number) {
  const n = pixels.length / size;
  const moments = (count: number, at: (i: number) => number): [number, number] => {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < count; i++) {
      sum += at(i);
      squares += at(i) ** 2;
    }
    const mean = sum / count;
    return [mean, Math.sqrt(Math.max(0, squares / count - mean ** 2))];
  };
  const [mean, std] = moments(pixels.length, (i) => pixels[i]);
  const spread = Array.from({ length: size }, (_, p) => moments(n, (i) => pixels[i * size + p])[1]);
  return { mean, std, variety: spread.reduce((a, b) => a + b) / size };
}

const data = await openDataset('mnist');
const size = data.height * data.width * data.channels;
const folder = await mkdtemp(join(tmpdir(), 'ganvas-gpu-'));
const all = Int32Array.from({ length: Math.min(data.length, 2000) }, (_, i) => i);
const real = pixelStatistics(await data.batch(all, new HostRandom(0)), size);
const judge = steps < enough ? undefined : await openJudge(data);

async function play(device: 'cpu' | 'cuda') {
  const out = join(folder, device);
  const config = { seed: 1, steps, device, saveEvery: steps, sampleEvery: steps };
  const began = performance.now();
  await trainRun({ model: 'dcgan', data: 'mnist', out, config });
  const seconds = (performance.now() - began) / 1000;
  const generator = await loadGenerator(out, { device });
  const pixels = await generator.generate(await generator.latents(samples, 1), samples);
  generator.dispose();
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const { lossD, lossG } = JSON.parse(lines.at(-1)!);
  const result = {
    seconds,
    lossD,
    lossG,
    ...pixelStatistics(pixels, size),
    ...(await judge?.verdict(pixels)),
  };
  console.log(device, JSON.stringify(result));
  return result;
}

const [cuda, cpu] = [await play('cuda'), await play('cpu')];
await rm(folder, { recursive: true });
const problems: string[] = [];
const expectThat = (fine: boolean, problem: string) => {
  if (!fine) problems.push(problem);
};
expectThat(Object.values(cuda).flat().every(Number.isFinite), 'a figure is not finite');
expectThat(cuda.std > 0 && cuda.variety > 0, 'the samples are all alike');
if (judge) {
  expectThat(
    Math.abs(cuda.mean - real.mean) < 0.25 * real.std,
    `mean pixel ${cuda.mean}, the digits have ${real.mean}`,
  );
  expectThat(cuda.variety > 0.5 * real.variety, `variety ${cuda.variety}, the digits have ${real.variety}`);
  // The two games drift apart by rounding, so they are as good as one another only roughly.
  expectThat(
    cuda.frechet! < 1.5 * cpu.frechet!,
    `Fréchet distance ${cuda.frechet}, on the CPU ${cpu.frechet}`,
  );
  expectThat(cuda.found! >= cpu.found! - 1, `${cuda.found} digits, on the CPU ${cpu.found}`);
  expectThat(
    cuda.confidence! > cpu.confidence! - 0.1,
    `confidence ${cuda.confidence}, on the CPU ${cpu.confidence}`,
  );
}
const report = { trained: steps, judged: judge !== undefined, samples, digits: real, cuda, cpu, problems };
if (options.json) await writeFile(options.json, JSON.stringify(report));
console.log(problems.length === 0 ? 'training: no problem' : `training: ${problems.join('; ')}`);
process.exitCode = problems.length === 0 ? 0 : 1;
