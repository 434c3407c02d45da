// Feeds the addon hostile arguments: random ops, slots and attributes, then every other export with values of every
// kind. Succeeds when nothing but errors with a code came back. Run in a process of its own, because what it looks for
// is a crash. Usage: node fuzz.mjs ADDON SEED CALLS

import assert from 'node:assert';
import { createRequire } from 'node:module';
import { calls as valid } from './calls.mjs';

const [path, seed, calls] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(path);

let state = Number(seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const hostile = [
  Number.NaN,
  Infinity,
  -Infinity,
  1e308,
  -1e308,
  5e-324,
  0.5,
  -0.5,
  -0,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 62,
  2 ** 63,
  2 ** 64,
  1e15,
  65536,
  1000,
  -1,
  -2,
  -1000,
];
const attribute = () => (random() < 0.2 ? pick(hostile) : below(5));

function check(error) {
  assert(error instanceof Error, `threw ${String(error)}`);
  assert.match(String(error.code), /^ERR_/, error.stack);
  assert.notStrictEqual(error.message, '');
}

function attempt(fn) {
  try {
    return fn();
  } catch (error) {
    check(error);
    return undefined;
  }
}

const dtypeArrays = [Float32Array, Int32Array, Uint8Array, Uint16Array];

function upload() {
  const shape = Array.from({ length: below(6) }, () => pick([1, 1, 2, 3, 4, 5, 0, 17]));
  // Empty, but with a size no loop should count through.
  if (shape.includes(0) && random() < 0.1) shape.push(pick([2 ** 32, 2 ** 40, 2 ** 53]));
  const n = shape.reduce((a, b) => a * b, 1);
  const dtype = random() < 0.7 ? 0 : below(4);
  const data = new dtypeArrays[dtype](Math.min(n, 1 << 16));
  for (let i = 0; i < data.length; i++)
    data[i] = dtype === 0 && random() < 0.05 ? pick(hostile) : below(7) - 2;
  addon.args.set(shape);
  return attempt(() => addon.fromData(dtype, shape.length, data));
}

addon.setMemoryLimit(64 << 20);
const slots = [];
const remember = (slot) => {
  if (slot === undefined) return;
  if (slots.length < 40) {
    slots.push(slot);
    return;
  }
  const k = below(slots.length);
  addon.free(slots[k]);
  slots[k] = slot;
};
for (let i = 0; i < 40; i++) remember(upload());

const accepted = new Map(addon.ops.map((name) => [name, 0]));
function fixed(shape) {
  const dims = shape.int ?? shape;
  const n = dims.reduce((a, b) => a * b, 1);
  addon.args.set(dims);
  const values = Array.from({ length: n }, () => below(3));
  return addon.fromData(
    shape.int ? 1 : 0,
    dims.length,
    shape.int ? Int32Array.from(values) : Float32Array.from(values),
  );
}
const templates = Object.entries(valid).map(([name, { inputs, attrs }]) => ({
  op: addon.ops.indexOf(name),
  inputs: inputs.map(fixed),
  attrs,
}));

function randomCall() {
  const same = pick(slots);
  const repeat = random() < 0.4; // equal shapes get further than random ones
  return {
    op: random() < 0.01 ? pick(hostile) : below(addon.ops.length),
    inputs: Array.from({ length: pick([0, 1, 1, 1, 2, 2, 2, 3, 6]) }, () => (repeat ? same : pick(slots))),
    attrs: Array.from({ length: pick([0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 13]) }, attribute),
  };
}

/** A valid call with some of its inputs and attributes replaced. */
function bentCall() {
  const { op, inputs, attrs } = pick(templates);
  const strength = pick([0, 0.05, 0.2]);
  return {
    op,
    inputs: inputs.map((slot) => (random() < strength ? pick(slots) : slot)),
    attrs: attrs.map((value) => (random() < strength ? attribute() : value)),
  };
}

/** Records a few calls, some on placeholders and some with live attributes, and runs them, right or wrong. */
function recordAndRun() {
  attempt(() => addon.beginCapture());
  const mine = [];
  const shapes = [];
  for (let k = below(3); k > 0; k--) {
    const shape = Array.from({ length: below(4) }, () => pick([1, 2, 3, 5, 0]));
    shapes.push(shape);
    addon.args.set(shape);
    mine.push(attempt(() => addon.placeholder(0, shape.length)));
  }
  for (let k = 1 + below(6); k > 0; k--) {
    const { op, inputs, attrs } = random() < 0.5 ? randomCall() : bentCall();
    addon.args.set([...inputs.map((slot) => (random() < 0.5 && mine.length ? pick(mine) : slot)), ...attrs]);
    const outputs = attempt(() => addon.run(op, inputs.length, attrs.length));
    for (let j = 0, at = 0; j < (outputs ?? 0); j++) {
      mine.push(addon.args[at]);
      at += 3 + addon.args[at + 2];
    }
    if (random() < 0.3) attempt(() => addon.live(below(4), below(4)));
  }
  const results = mine.filter(() => random() < 0.5);
  for (const slot of mine) if (!results.includes(slot) && random() < 0.95) addon.free(slot);
  addon.args.set(results);
  const program = attempt(() => addon.endCapture(results.length));
  addon.cancelCapture();
  for (const slot of mine) addon.free(slot);
  if (program === undefined) return;
  for (let k = 0; k < 3; k++) {
    const inputs = shapes.map((shape) => (random() < 0.9 ? fixed(shape) : pick(slots)));
    const values = Array.from({ length: below(5) }, attribute);
    addon.args.set([...inputs, ...values]);
    const count = attempt(() => addon.runProgram(program, inputs.length, values.length)) ?? 0;
    recorded += count;
    const found = Array.from(addon.args.subarray(0, count));
    for (const slot of [...inputs, ...found]) if (!slots.includes(slot)) addon.free(slot);
  }
  attempt(() => addon.programDifference(program, below(program + 2)));
  if (random() < 0.9) addon.freeProgram(program);
}

let recorded = 0;
for (let i = 0; i < Number(calls); i++) {
  if (i % 10 === 0) remember(upload());
  if (i % 20 === 0) recordAndRun();
  const { op, inputs, attrs } = random() < 0.5 ? randomCall() : bentCall();
  addon.args.set([...inputs, ...attrs]);
  if (inputs.length && random() < 0.01) addon.args[below(inputs.length)] = pick(hostile);
  const outputs = attempt(() => addon.run(op, inputs.length, random() < 0.01 ? pick(hostile) : attrs.length));
  if (outputs !== undefined) {
    accepted.set(addon.ops[op], accepted.get(addon.ops[op]) + 1);
    const found = [];
    for (let k = 0, at = 0; k < outputs; k++) {
      found.push(addon.args[at]);
      at += 3 + addon.args[at + 2];
    }
    for (const slot of found) random() < 0.5 ? addon.free(slot) : remember(slot);
  }
  if (i % 500 === 0) await addon.sync().catch(check);
  if (i % 37 === 0) await addon.read(pick(slots)).catch(check);
}
await addon.sync().catch(check);

const things = [
  undefined,
  null,
  true,
  'text',
  Symbol('s'),
  10n,
  {},
  [],
  () => {},
  new Float32Array(4),
  new DataView(new ArrayBuffer(16)),
  new Float64Array(0),
  new BigInt64Array(2),
  new Float32Array(new SharedArrayBuffer(16)),
  new Uint8Array(3),
  0,
  1,
  ...hostile,
];
for (let i = 0; i < 3000; i++) {
  for (let k = 0; k < 8; k++) addon.args[k] = attribute();
  const args = Array.from({ length: below(4) }, () => (random() < 0.3 ? below(6) : pick(things)));
  const name = pick([
    'run',
    'fromData',
    'view',
    'free',
    'read',
    'sync',
    'ready',
    'pending',
    'memory',
    'setMemoryLimit',
    'beginCapture',
    'placeholder',
    'live',
    'endCapture',
    'cancelCapture',
    'runProgram',
    'freeProgram',
    'programDifference',
    'programInfo',
  ]);
  const result = attempt(() => addon[name](...args));
  if (result instanceof Promise) await result.catch(check);
}
addon.cancelCapture();
addon.setMemoryLimit(64 << 20);
for (const count of [1, 3, 2, Number.NaN, -1, 0, 1e9, 'x']) attempt(() => addon.setThreads(count));
await addon.sync().catch(check);
for (const slot of slots) addon.free(slot);
const never = [...accepted].filter(([, count]) => count === 0).map(([name]) => name);
console.log(
  `accepted ${[...accepted.values()].reduce((a, b) => a + b, 0)} of ${calls}; never: ${never.join(' ')}`,
);
if (Number(calls) >= 20_000) {
  assert.deepStrictEqual(never, []);
  assert(recorded > 100, `only ${recorded} results of programs`);
}
