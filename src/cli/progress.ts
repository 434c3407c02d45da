// What a training run prints: a progress bar on a terminal, plain lines otherwise (a log file, CI). Reads the
// events of a run and writes to a stream; it knows nothing of training. The bar is cli-progress's.

import { MultiBar, type SingleBar } from 'cli-progress';
import type { TrainEvent } from '../train/run.js';

export interface ProgressOptions {
  /** Milliseconds between plain lines; default 10 s. */
  lineInterval?: number;
  /** The clock, in milliseconds; replaced in tests. */
  now?: () => number;
}

const barInterval = 100;
// Weight of the past in the running mean of the speed, per step.
const speedMemory = 0.95;

/** Seconds as `42s`, `3m20s` or `2h05m`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor(whole / 60) % 60)}m`;
}

function significant(value: number): string {
  return Math.abs(value) >= 1000 || Number.isNaN(value) ? value.toFixed(0) : value.toPrecision(3);
}

// Reported now and then, for the monitor and metrics.jsonl; in the bar they would only come and go.
const forMonitor = /^(gradNorm|diversity)/;

export class TrainProgress {
  readonly #out: NodeJS.WriteStream;
  readonly #lineInterval: number;
  readonly #now: () => number;
  #bars: MultiBar | undefined;
  #bar: SingleBar | undefined;
  #lastLine = Number.NEGATIVE_INFINITY;
  #lastStep: { step: number; time: number } | undefined;
  #secondsPerStep: number | undefined;

  constructor(out: NodeJS.WriteStream, { lineInterval = 10_000, now = Date.now }: ProgressOptions = {}) {
    this.#out = out;
    this.#lineInterval = lineInterval;
    this.#now = now;
  }

  /** Shows one event. */
  event(event: TrainEvent): void {
    switch (event.type) {
      case 'start':
        this.print(`run directory: ${event.runDirectory}`);
        this.start(event.steps, event.step);
        break;
      case 'step':
        this.#step(event);
        break;
      case 'sample':
        this.#note(`step ${event.step}: samples in ${event.path}`);
        break;
      case 'checkpoint':
        this.#note(`step ${event.step}: checkpoint ${event.path}`);
        break;
      case 'warning':
        this.print(`warning: ${event.message}`);
        break;
    }
  }

  /** A line of its own, above the bar if there is one. */
  print(line: string): void {
    if (this.#bars) {
      this.#bars.log(`${line}\n`);
      this.#bars.update();
    } else this.#out.write(`${line}\n`);
  }

  // On a terminal the bar already says that the run is well; files that come and go would only push it down.
  #note(line: string): void {
    if (!this.#bars) this.print(line);
  }

  /** Shows that `step` of `steps` have been taken; the time left is reckoned anew. */
  start(steps: number, step = 0): void {
    this.#lastStep = undefined;
    this.#secondsPerStep = undefined;
    if (!this.#out.isTTY) return;
    this.#bars = new MultiBar({
      stream: this.#out,
      format: '{bar} {value}/{total} {speed} ETA {left} {losses}',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: false,
      stopOnComplete: false,
      forceRedraw: false,
      gracefulExit: false,
      fps: 1000 / barInterval,
    });
    this.#bar = this.#bars.create(steps, step, { speed: '', left: '?', losses: '' });
  }

  #step({ step, steps, imagesPerSecond, losses }: Extract<TrainEvent, { type: 'step' }>): void {
    const time = this.#now();
    if (this.#lastStep && step > this.#lastStep.step) {
      const latest = (time - this.#lastStep.time) / 1000 / (step - this.#lastStep.step);
      this.#secondsPerStep =
        this.#secondsPerStep === undefined
          ? latest
          : speedMemory * this.#secondsPerStep + (1 - speedMemory) * latest;
    }
    this.#lastStep = { step, time };
    const left = duration((steps - step) * (this.#secondsPerStep ?? Number.NaN));
    const speed = `${significant(imagesPerSecond)} images/s`;
    const lossText = Object.entries(losses)
      .filter(([name]) => !forMonitor.test(name))
      .map(([name, value]) => `${name} ${significant(value)}`);
    if (this.#bar) {
      this.#bar.update(step, { speed, left, losses: lossText.join(' ') });
    } else if (time - this.#lastLine >= this.#lineInterval || step === steps) {
      this.#lastLine = time;
      this.print([`step ${step}/${steps}`, speed, `ETA ${left}`, ...lossText].join('  '));
    }
  }

  /** Ends the bar and gives the cursor back. May be called more than once. */
  stop(): void {
    this.#bars?.stop();
    this.#bars = undefined;
    this.#bar = undefined;
  }
}
