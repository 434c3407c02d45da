// The tables of docs/models/README.md, from the results that family.ts, infogan.ts, stacked-mnist.ts and gaussians.ts
// have recorded.
//
//   npx tsx bench/quality/table.ts [bench/results/quality-cpu.json]

import { readFileSync } from 'node:fs';
import { models } from '../../src/models/registry.js';
import { fixed, markdown, median } from '../report.js';

const file = process.argv[2] ?? 'bench/results/quality-cpu.json';
const results = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, never>>;

interface Family {
  minutes: number;
  steps: number;
  seconds: number;
  score: number;
  frechet: number;
  found: number;
  confidence: number;
  asked?: number;
}

const family = Object.keys(models)
  .filter((model) => results[model])
  .map((model): string[] => {
    const r = results[model] as unknown as Family;
    return [
      `[${model}](${model}.md)`,
      String(r.minutes),
      String(r.steps),
      fixed(r.score, 2),
      fixed(r.frechet, 1),
      String(r.found),
      fixed(r.confidence, 3),
      r.asked === undefined ? '' : `${fixed(100 * r.asked)} %`,
    ];
  });
const columns = ['model', 'minutes', 'steps', 'score', 'Fréchet', 'digits found', 'confidence', 'as asked'];
console.log(markdown(columns, family));

interface CodeRun {
  seed: number;
  steps: number;
  error: number;
  generatedError: number;
}

const { runs } = (results['infogan: code against digits'] ?? { runs: [] }) as unknown as { runs: CodeRun[] };
const codes = runs.map(({ seed, steps, error, generatedError }) => [
  String(seed),
  String(steps),
  `${fixed(100 * error)} %`,
  `${fixed(100 * generatedError)} %`,
]);
console.log(markdown(['seed', 'steps', 'error on real digits', 'on generated ones'], codes));

/** The results whose names begin so, with what follows. */
const named = (prefix: string) =>
  Object.entries(results)
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value] as const);

const stacked = named('stacked MNIST: ').map(([model, value]) => {
  const { minutes, steps, found, kl } = value as unknown as Record<string, number>;
  return [model, String(minutes), String(steps), String(found), fixed(kl, 2)];
});
console.log(markdown(['model', 'minutes', 'steps', 'modes of 1,000', 'KL'], stacked));

const mixtures = named('gaussians, ').map(([name, value]) => {
  const { steps, found, good } = value as unknown as { steps: number; found: number[]; good: number[] };
  const [mixture, method] = name.split(': ');
  return [mixture, method, String(steps), found.join(', '), `${fixed(100 * median(good), 0)} %`];
});
console.log(
  markdown(['mixture', 'method', 'steps', 'modes found, by seed', 'good samples (median)'], mixtures),
);
