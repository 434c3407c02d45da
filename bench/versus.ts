// The loop that the benchmarks of single layers share: each case against PyTorch, forward and backward, then a summary.

import { compare, type Plan } from './harness.js';
import type { System } from './peers.js';
import { best, caseTable, fixed, markdown, median, ratio, record, time } from './report.js';
import type { BenchOptions } from './run.js';

export interface VersusCase {
  title: string;
  /** ganvas first; its own composite, if compared, is named so and does not count as a peer. */
  systems: System[];
  plan: Omit<Plan, 'rounds'>;
}

export async function versusTorch(cases: VersusCase[], options: BenchOptions): Promise<void> {
  const summary: string[][] = [];
  for (const { title, systems, plan } of cases) {
    if (options.case && !title.includes(options.case)) continue;
    const { rounds, steps = plan.steps } = options;
    const readings = await compare(systems, { ...plan, rounds, steps });
    console.log(caseTable(title, readings, 'pass'));
    record(options.json, title, readings);
    const [own] = readings;
    const against = (prefix: string) => {
      const peer = best(readings, prefix);
      return peer && !own.missing ? `${time(median(peer.ms))} (${fixed(ratio(peer, own), 2)}×)` : '–';
    };
    const ms = own.missing ?? `**${time(median(own.ms))}**`;
    summary.push([title, ms, against(compositeName), against('PyTorch')]);
  }
  console.log(markdown(['case', 'ganvas, ms', 'its composite, ms', 'PyTorch, ms'], summary));
}

/** Name of the system that computes a block from separate public ops. */
export const compositeName = 'composite of separate ops';
