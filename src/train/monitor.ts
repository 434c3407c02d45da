// Watches the numbers of a training run for the ways in which GANs fail, and says in plain words what was seen, what it
// means and what to try. Arithmetic on what has been reported; it knows no tensors and changes nothing. The signs are
// those of practice (Chintala et al. 2016, "How to train a GAN"); thresholds are rules of thumb, not proofs.

import { GanvasError } from '../errors.js';

export type WarningKind =
  | 'notFinite'
  | 'discriminatorTooStrong'
  | 'discriminatorLearnsNothing'
  | 'gradientExplodes'
  | 'modeCollapse';

export interface MonitorWarning {
  kind: WarningKind;
  message: string;
}

type Warn = (kind: WarningKind, seen: string, advice: string) => void;

/**
 * Raised once a condition has held `patience` times in a row; silent from then on, until the condition has failed
 * `calm` times in a row.
 */
class Alarm {
  readonly #patience: number;
  readonly #calm: number;
  #raised = false;
  /** Times in a row that the condition spoke against the present state. */
  #streak = 0;

  constructor(patience: number, calm: number) {
    this.#patience = patience;
    this.#calm = calm;
  }

  /** Whether to warn now. */
  look(holds: boolean): boolean {
    this.#streak = holds === this.#raised ? 0 : this.#streak + 1;
    if (this.#streak < (this.#raised ? this.#calm : this.#patience)) return false;
    this.#streak = 0;
    this.#raised = !this.#raised;
    return this.#raised;
  }
}

const sureLoss = 0.02;
/** With these scores of all images the loss of the discriminator is `sureLoss`. */
const sureScore = 0.01;
const sureSteps = 100;
const undecided = 0.01;
const undecidedSteps = 200;
const mostNorm = 100;
const mostGrowth = 100;
const medianOf = 50;
const leastHistory = 10;
const leastDiversity = 0.3;
/** Reports that make up for a gradient that exploded. */
const calmNorms = 10;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/**
 * Looks at the report of each step and warns, once for each kind of trouble until it has passed.
 *
 *     const monitor = new TrainingMonitor();
 *     for (const { message } of monitor.observe(step, losses)) console.warn(message);
 *
 * Its memory is not saved: a run that is continued is watched afresh.
 */
export class TrainingMonitor {
  readonly #sure = new Alarm(sureSteps, sureSteps);
  readonly #undecided = new Alarm(undecidedSteps, undecidedSteps);
  // Two measurements, because a generator that has hardly been trained makes equal images as well.
  readonly #collapse = new Alarm(2, 1);
  readonly #notFinite = new Alarm(1, 1);
  readonly #norms = new Map<string, { alarm: Alarm; history: number[] }>();

  /**
   * What is wrong now that was not wrong before.
   * @param step of the report, from one
   * @param values what the trainer reported, any of: `lossD`, `scoreReal` and `scoreFake` (mean σ(D) in [0, 1], of
   *   objectives with probabilities), `gradNorm<phase>`, and `diversity`, the mean distance between generated images as
   *   a share of that between real ones (see pairwiseDiversity). Others are only looked at for being finite.
   */
  observe(step: number, values: Readonly<Record<string, number>>): MonitorWarning[] {
    const warnings: MonitorWarning[] = [];
    const warn: Warn = (kind, seen, advice) =>
      warnings.push({ kind, message: `step ${step}: ${seen}; ${advice}` });
    const entries = Object.entries(values);
    const lost = entries.filter(([, value]) => !Number.isFinite(value));
    if (this.#notFinite.look(lost.length > 0)) {
      warn(
        'notFinite',
        lost.map(([name, value]) => `${name} became ${value}`).join(', '),
        'training has diverged: start again with a lower --lr or with --clip-gradients 1',
      );
    }
    for (const [name, value] of entries) {
      if (name.startsWith('gradNorm') && Number.isFinite(value)) this.#watchNorm(name, value, warn);
    }
    this.#watchScores(values, warn);
    const { diversity } = values;
    if (Number.isFinite(diversity) && this.#collapse.look(diversity < leastDiversity)) {
      warn(
        'modeCollapse',
        `generated images differ from one another by ${short(100 * diversity)} % of what real ones do`,
        'the generator makes only a few kinds of image (mode collapse): try --minibatch discrimination, ' +
          '--penalty r1, or a lower --lr-generator',
      );
    }
    return warnings;
  }

  #watchNorm(name: string, norm: number, warn: Warn): void {
    const watched = this.#norms.get(name) ?? { alarm: new Alarm(1, calmNorms), history: [] };
    this.#norms.set(name, watched);
    const { alarm, history } = watched;
    const usual = history.length < leastHistory ? Number.POSITIVE_INFINITY : median(history);
    history.push(norm);
    if (history.length > medianOf) history.shift();
    const grown = norm > mostGrowth * usual;
    if (!alarm.look(norm > mostNorm || grown)) return;
    const compared = grown ? `, ${short(norm / usual)} times what is usual in this run` : '';
    warn(
      'gradientExplodes',
      `the norm of the gradient in phase ${name.slice('gradNorm'.length)} is ${short(norm)}${compared}`,
      'training may diverge: try --clip-gradients 1, a lower --lr, or --penalty r1',
    );
  }

  #watchScores({ lossD, scoreReal, scoreFake }: Readonly<Record<string, number>>, warn: Warn): void {
    if (!Number.isFinite(scoreReal) || !Number.isFinite(scoreFake)) return;
    // The loss may hold a penalty; the scores do not.
    const sure = lossD < sureLoss || (scoreReal > 1 - sureScore && scoreFake < sureScore);
    const scores = `D gives real images ${short(scoreReal)} and generated ones ${short(scoreFake)}`;
    if (this.#sure.look(sure)) {
      warn(
        'discriminatorTooStrong',
        `for ${sureSteps} steps D has told nearly all images apart (${scores})`,
        'the generator can learn little from it: try a lower --lr-discriminator, --d-steps 1, --label-smoothing 0.1, ' +
          '--instance-noise 0.1, or --penalty r1',
      );
    }
    const even = Math.abs(scoreReal - 0.5) < undecided && Math.abs(scoreFake - 0.5) < undecided;
    if (this.#undecided.look(even)) {
      warn(
        'discriminatorLearnsNothing',
        `for ${undecidedSteps} steps D has told nothing apart (${scores})`,
        'unless the images are perfect, the generator is too strong for it or D does not learn: try a higher ' +
          '--lr-discriminator, --d-steps 2, or less of --label-smoothing and --instance-noise',
      );
    }
  }
}

const mostImages = 64;

/**
 * The mean Euclidean distance between two images, over all pairs of at most the first 64: for `diversity`, that of
 * generated images divided by that of real ones.
 * @param pixels `count` images of one size, one after another; distances are in steps of one byte
 * @throws GanvasError ERR_ARGUMENT for fewer than two images, or pixels that cannot be divided among them
 */
export function pairwiseDiversity(pixels: Uint8Array, count: number): number {
  if (!Number.isSafeInteger(count) || count < 2 || pixels.length === 0 || pixels.length % count !== 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `pairwiseDiversity: expected two or more images of one size, got ${pixels.length} bytes for ${count} images`,
    );
  }
  const size = pixels.length / count;
  const images = Math.min(count, mostImages);
  let total = 0;
  for (let i = 1; i < images; i++) {
    for (let j = 0; j < i; j++) total += Math.sqrt(squaredDistance(pixels, i * size, j * size, size));
  }
  return total / ((images * (images - 1)) / 2);
}

function squaredDistance(pixels: Uint8Array, a: number, b: number, size: number): number {
  let total = 0;
  for (let k = 0; k < size; k++) {
    const difference = pixels[a + k] - pixels[b + k];
    total += difference * difference;
  }
  return total;
}
