// Where does a DCGAN-64 training step go? Runs some steps under GANVAS_PROFILE and adds the trace up by op: the table that
// shows what is worth making faster. A trace by itself is better seen in chrome://tracing or Perfetto.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare } from './harness.js';
import { ganvas } from './peers.js';
import { fixed, machine, markdown, record } from './report.js';
import type { BenchOptions } from './run.js';

export const question = 'Where does the time of a DCGAN-64 training step go, op by op?';

interface TraceEvent {
  ph: string;
  name: string;
  ts: number;
  /** Microseconds. */
  dur: number;
}

interface Total {
  name: string;
  perStep: number;
  ms: number;
}

/** Time by name of op over the last `steps` steps of a trace, which ends each step with a read. */
export function totals(events: TraceEvent[], steps: number): Total[] {
  const reads = events.filter((e) => e.name === 'read or sync');
  const first = reads[Math.max(0, reads.length - 1 - steps)];
  const counted = events.filter((e) => e.ph === 'X' && e.ts >= first.ts + first.dur);
  const found = new Map<string, Total>();
  for (const { name, dur } of counted) {
    const total = found.get(name) ?? { name, perStep: 0, ms: 0 };
    total.perStep += 1 / steps;
    total.ms += dur / 1000 / steps;
    found.set(name, total);
  }
  return [...found.values()].sort((a, b) => b.ms - a.ms);
}

export async function run(options: BenchOptions): Promise<void> {
  const steps = options.steps ?? 8;
  const folder = await mkdtemp(join(tmpdir(), 'ganvas-profile-'));
  const file = join(folder, 'trace.json');
  const work = { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 64, threads: machine().threads };
  const system = ganvas('ganvas_train.ts', work);
  system.env = { ...system.env, GANVAS_PROFILE: file };
  const [reading] = await compare([system], { warmup: 4, rounds: 1, steps });
  if (reading.missing) throw new Error(reading.missing);
  const { traceEvents } = JSON.parse(await readFile(file, 'utf8'));
  await rm(folder, { recursive: true });
  const rows = totals(traceEvents, steps);
  const sum = rows.reduce((ms, row) => ms + row.ms, 0);
  console.log(
    markdown(
      ['op', 'per step', 'ms per step', 'share'],
      rows.map(({ name, perStep, ms }) => [
        name,
        fixed(perStep, 1),
        fixed(ms, 2),
        `${fixed((100 * ms) / sum)} %`,
      ]),
    ),
  );
  record(options.json, 'profile, DCGAN-64, batch 64', rows);
}
