// The protocol of the workers: the first line says the version; then, for each {"steps": n} on standard input, one line
// with the milliseconds of those steps and the peak resident memory in MiB.

import { createInterface } from 'node:readline';

const emit = (o: object) => process.stdout.write(`${JSON.stringify(o)}\n`);

/** Serves requests until standard input ends. `steps` returns the milliseconds of each of n steps. */
export async function serve(
  version: string,
  steps: (n: number) => Promise<number[]>,
  extra = {},
): Promise<void> {
  emit({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const ms = await steps(JSON.parse(line).steps);
    emit({ ms, rss: process.resourceUsage().maxRSS / 1024, extra });
  }
}

/** Runs n steps that overlap, so that only their total can be timed; each gets an equal share. */
export async function timeTogether(n: number, run: () => Promise<void>): Promise<number[]> {
  const began = performance.now();
  await run();
  return Array(n).fill((performance.now() - began) / n);
}

/** Times n steps one by one. */
export async function timeEach(n: number, step: () => Promise<void>): Promise<number[]> {
  const ms: number[] = [];
  for (let i = 0; i < n; i++) {
    const began = performance.now();
    await step();
    ms.push(performance.now() - began);
  }
  return ms;
}
