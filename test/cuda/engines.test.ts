// cuDNN has engines on an H100 for every convolution that a registered model makes, asked of cuDNN itself without a GPU
// (native/cuda/deviceless/engines.cpp). Whether results are right is checked on a device.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { models } from '../../src/models/registry.js';
import { built } from './build.js';
import { convolutionsOf } from './convolutions.js';

const { program, driver, failure, skip, title } = await built('engines of cuDNN', 'ganvas_cuda_engines');

interface Answer {
  engines: number;
  /** How many of them are compiled at run time. */
  compiled: number;
  /** What became of the first plan. */
  plan: string;
}

/** What cuDNN says to each line. */
function ask(lines: readonly string[]): Promise<Map<string, Answer>> {
  const env = { ...process.env, LD_LIBRARY_PATH: driver };
  const device = fileURLToPath(new URL('h100.json', import.meta.url));
  return new Promise((resolve, reject) => {
    const child = execFile(program, [device], { env, maxBuffer: 2 ** 26 }, (error, out, err) => {
      if (error) return reject(new Error(err || error.message));
      const answers = out
        .trimEnd()
        .split('\n')
        .map((answer) => {
          const [engines, compiled, plan] = answer.split('\t');
          return { engines: Number(engines), compiled: Number(compiled), plan };
        });
      resolve(new Map(lines.map((line, i) => [line, answers[i]])));
    });
    child.stdin!.end(`${lines.join('\n')}\n`);
  });
}

const plain = (line: string) => line.replace(/ (bias|relu) /, ' none ');
const inTF32 = (line: string) => line.replace(' bf16 ', ' f32 ');
const exact = (line: string) => line.replace(' tf32 ', ' exact ');

/** In a graph of their own these have no engine that is not compiled at run time; a pass for the bias follows then. */
const unfused = (line: string) => /^\S+ bf16 \S+ (bias|relu)|^inputGrad \S+ \S+ (bias|relu)/.test(line);
/** From bf16 to f32 cuDNN has at most one engine, compiled; the plugin also copies the operands and asks for TF32. */
const widened = (line: string) => line.startsWith('weightGrad bf16');

describe.skipIf(skip)(title, () => {
  let lines: string[];
  let answers: Map<string, Answer>;
  beforeAll(async () => {
    if (failure !== undefined) throw new Error(failure);
    const found = new Set<string>();
    for (const model of Object.keys(models)) {
      for (const [side, channels] of [
        [28, 1],
        [64, 3],
      ]) {
        const dims = { height: side, width: side, channels, classes: 10 };
        for (const precision of ['f32', 'bf16'] as const) {
          for (const line of convolutionsOf(model, dims, precision)) found.add(line);
        }
      }
    }
    for (const line of [...found]) found.add(plain(line)).add(inTF32(plain(line)));
    for (const line of [...found]) if (line.includes(' f32 ')) found.add(exact(line));
    lines = [...found];
    answers = await ask(lines);
  }, 600_000);

  test('there are convolutions of every kind and type', () => {
    for (const kind of ['forward', 'inputGrad', 'weightGrad']) {
      for (const dtype of ['f32', 'bf16']) {
        expect(lines.filter((line) => line.startsWith(`${kind} ${dtype} `)).length).toBeGreaterThan(20);
      }
    }
  });

  test('each has an engine, and the plan of the first that cuDNN proposes can be made', () => {
    const without = lines
      .filter((line) => !unfused(line) && !widened(line))
      .filter((line) => !['ok', 'compiled', 'not compiled'].includes(answers.get(line)!.plan))
      .map((line) => `${line}: ${answers.get(line)!.plan}`);
    expect(without).toEqual([]);
  });

  test('no exception is needed where cuDNN has engines', () => {
    const fused = lines.filter((line) => unfused(line) && answers.get(line)!.engines > 0);
    const direct = lines.filter(
      (line) => widened(line) && answers.get(line)!.engines > answers.get(line)!.compiled,
    );
    expect({ fused, direct }).toEqual({ fused: [], direct: [] });
  });

  test('plans that are compiled at run time can be', () => {
    const tried = [...answers.values()].filter(({ plan }) => plan === 'compiled');
    expect(tried.length).toBeGreaterThan(0);
  });
});
