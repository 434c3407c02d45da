// Einstein summation, by transposing, reshaping and multiplying matrices: no op of its own, so gradients of any order
// are those of its parts. Operands are contracted from left to right.

import { GanvasError } from '../../errors.js';
import { scope } from '../scope.js';
import { assertTensor, type Tensor } from '../tensor.js';
import { mul } from './binary.js';
import { matmul } from './matmul.js';
import { sum } from './reduce.js';
import { reshape, slice, transpose } from './shape.js';

/** A tensor whose dimensions have names, each once. */
interface Labelled {
  x: Tensor;
  labels: string[];
}

const refuse = (equation: string, why: string): never => {
  throw new GanvasError('ERR_ARGUMENT', `einsum: ${why} in "${equation}"`);
};

const product = (sizes: readonly number[]): number => sizes.reduce((n, d) => n * d, 1);

/** The letters of a term; an ellipsis becomes `rank` names of its own, numbered from the right. */
function labelsOf(equation: string, term: string, rank: number): string[] {
  const [, before, dots, after] = /^([a-zA-Z]*)(\.\.\.)?([a-zA-Z]*)$/.exec(term) ?? [];
  if (before === undefined) return refuse(equation, `"${term}" is not letters with at most one ellipsis`);
  const open = Math.max(0, rank - before.length - after.length);
  const names = dots ? Array.from({ length: open }, (_, i) => `.${open - i}`) : [];
  return [...before, ...names, ...after];
}

function parse(equation: string, tensors: readonly Tensor[]): { operands: Labelled[]; output: string[] } {
  const compact = equation.replaceAll(' ', '');
  const [left, right, ...more] = compact.split('->');
  if (more.length > 0) refuse(equation, 'more than one ->');
  const terms = left.split(',');
  if (terms.length !== tensors.length) refuse(equation, `${tensors.length} tensors do not fit the terms`);
  const operands = tensors.map((x, i) => {
    const labels = labelsOf(equation, terms[i], x.rank);
    if (labels.length !== x.rank) {
      throw new GanvasError(
        'ERR_SHAPE',
        `einsum: term "${terms[i]}" of "${equation}" does not fit tensor ${i} of shape [${x.shape}]`,
      );
    }
    return { x, labels };
  });
  const all = operands.flatMap(({ labels }) => labels);
  const open = [...new Set(all.filter((l) => l.startsWith('.')))].sort((a, b) => b.localeCompare(a));
  // Without an arrow: the broadcast dimensions, then the letters that occur once, in order.
  const once = all.filter((l) => !l.startsWith('.') && all.indexOf(l) === all.lastIndexOf(l)).sort();
  const output =
    right === undefined
      ? [...open, ...once]
      : labelsOf(equation, right, open.length + right.replace('...', '').length);
  for (const label of output) {
    if (!all.includes(label)) refuse(equation, `the result has "${label}", which no tensor has,`);
    if (output.indexOf(label) !== output.lastIndexOf(label))
      refuse(equation, `the result has "${label}" twice`);
  }
  return { operands, output };
}

function checkSizes(equation: string, operands: readonly Labelled[]): void {
  const sizes = new Map<string, number>();
  for (const { x, labels } of operands) {
    for (const [i, label] of labels.entries()) {
      const before = sizes.get(label) ?? 1;
      if (before !== 1 && x.shape[i] !== 1 && before !== x.shape[i]) {
        throw new GanvasError(
          'ERR_SHAPE',
          `einsum: "${label}" of "${equation}" has sizes ${before} and ${x.shape[i]}`,
        );
      }
      if (before === 1) sizes.set(label, x.shape[i]);
    }
  }
}

const permuted = (x: Tensor, perm: readonly number[]): Tensor =>
  perm.every((from, to) => from === to) ? x : transpose(x, perm);

/** Takes the diagonal where a label repeats: two dimensions in front become one of n², read in steps of n + 1. */
function diagonals({ x, labels }: Labelled): Labelled {
  const at = labels.findIndex((label, i) => labels.indexOf(label) !== i);
  if (at < 0) return { x, labels };
  const first = labels.indexOf(labels[at]);
  const others = labels.map((_, i) => i).filter((i) => i !== first && i !== at);
  const n = x.shape[at];
  if (x.shape[first] !== n) {
    throw new GanvasError(
      'ERR_SHAPE',
      `einsum: "${labels[at]}" has sizes ${x.shape[first]} and ${n} in one tensor`,
    );
  }
  const rest = others.map((i) => x.shape[i]);
  const front = reshape(permuted(x, [first, at, ...others]), [n * n, ...rest]);
  const zeros = front.shape.map(() => 0);
  const steps = front.shape.map((_, i) => (i === 0 ? n + 1 : 1));
  const diagonal = slice(front, zeros, [n, ...rest], steps);
  return diagonals({ x: diagonal, labels: [labels[at], ...others.map((i) => labels[i])] });
}

/** Sums over the labels nobody needs any more. */
function reduced({ x, labels }: Labelled, needed: (label: string) => boolean): Labelled {
  const axes = labels.flatMap((label, i) => (needed(label) ? [] : [i]));
  return axes.length === 0 ? { x, labels } : { x: sum(x, axes), labels: labels.filter(needed) };
}

/** Drops dimensions of size 1 that the other operand has in another size: they broadcast. */
function dropped({ x, labels }: Labelled, other: Labelled): Labelled {
  const stays = labels.map(
    (label, i) =>
      x.shape[i] !== 1 || !other.labels.includes(label) || other.x.shape[other.labels.indexOf(label)] === 1,
  );
  if (stays.every(Boolean)) return { x, labels };
  return {
    x: reshape(
      x,
      x.shape.filter((_, i) => stays[i]),
    ),
    labels: labels.filter((_, i) => stays[i]),
  };
}

/** x with its labels in the order of the groups, each group one dimension. */
function grouped({ x, labels }: Labelled, groups: readonly string[][]): Tensor {
  const perm = groups.flat().map((label) => labels.indexOf(label));
  const sizes = groups.map((group) => product(group.map((label) => x.shape[labels.indexOf(label)])));
  return reshape(permuted(x, perm), sizes);
}

const inOrder = (operand: Labelled, groups: readonly string[][]): boolean =>
  groups.flat().every((label, i) => operand.labels[i] === label);

/** The product of two operands, summed over the labels that both have and nobody needs. */
function contract(a0: Labelled, b0: Labelled, needed: (label: string) => boolean): Labelled {
  const a1 = dropped(a0, b0);
  const b1 = dropped(b0, a0);
  const a = reduced(a1, (label) => needed(label) || b1.labels.includes(label));
  const b = reduced(b1, (label) => needed(label) || a1.labels.includes(label));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter(needed);
  const inner = shared.filter((label) => !needed(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  const labels = [...batch, ...rows, ...columns];
  const sizeOf = (label: string) =>
    a.labels.includes(label) ? a.x.shape[a.labels.indexOf(label)] : b.x.shape[b.labels.indexOf(label)];
  let y: Tensor;
  if (inner.length === 0) {
    y = mul(
      reshape(grouped(a, [batch, rows]), [product(batch.map(sizeOf)), product(rows.map(sizeOf)), 1]),
      reshape(grouped(b, [batch, columns]), [product(batch.map(sizeOf)), 1, product(columns.map(sizeOf))]),
    );
  } else {
    // matmul reads a transposed operand where it lies, which saves moving it.
    const transA = inOrder(a, [batch, inner, rows]);
    const transB = inOrder(b, [batch, columns, inner]);
    const left = grouped(a, transA ? [batch, inner, rows] : [batch, rows, inner]);
    const right = grouped(b, transB ? [batch, columns, inner] : [batch, inner, columns]);
    y = matmul(left, right, { transA, transB });
  }
  return { x: reshape(y, labels.map(sizeOf)), labels };
}

/**
 * Einstein summation: the product of the tensors' elements, summed over every label that the result does not have.
 *
 * `equation` names the dimensions of each tensor and of the result with letters: 'bik,bkj->bij' is a batch of matrix
 * products, 'ii->i' a diagonal, 'ij->' a sum, 'i,j->ij' an outer product. '...' stands for the dimensions not named,
 * which broadcast. Without '->' the result has the letters that occur once, in alphabetical order. Dimensions of size 1
 * broadcast. As numpy.einsum and torch.einsum.
 *
 *     const scores = einsum('bqhd,bkhd->bhqk', queries, keys);
 *
 * Throws ERR_ARGUMENT for an equation that makes no sense, ERR_SHAPE where a tensor does not fit it.
 */
export function einsum(equation: string, ...tensors: Tensor[]): Tensor {
  tensors.forEach((x, i) => {
    assertTensor(x, `einsum: tensor ${i}`);
  });
  const { operands, output } = parse(equation, tensors);
  checkSizes(equation, operands);
  return scope(() => {
    const [first, ...rest] = operands.map(diagonals);
    const result = rest.reduce((a, b, i) => {
      const later = rest.slice(i + 1).flatMap(({ labels }) => labels);
      return contract(a, b, (label) => output.includes(label) || later.includes(label));
    }, first);
    const { x, labels } = reduced(result, (label) => output.includes(label));
    return permuted(
      x,
      output.map((label) => labels.indexOf(label)),
    );
  });
}
