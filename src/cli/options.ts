// Command-line options as typed values: those derived from a config schema, and the parsing of one number.
// Ranges are the schema's, so that a config file and the command line are held to one rule.

import type { Command } from 'commander';
import { type ConfigField, type ConfigSchema, type ConfigValue, describeField } from '../config/schema.js';
import { GanvasError } from '../errors.js';

/** `saveEvery` to `save-every`. */
export function flagOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `save-every` to `saveEvery`: the name under which commander stores an option. */
export function keyOf(flag: string): string {
  return flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function bad(flag: string, expected: string, text: string): GanvasError {
  return new GanvasError('ERR_CONFIG', `--${flag} must be ${expected}, got "${text}"`);
}

/** A finite number from the text of an argument. Throws ERR_CONFIG. */
export function parseNumber(flag: string, text: string, expected = 'a number'): number {
  const value = numberPattern.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw bad(flag, expected, text);
  return value;
}

/** An integer within bounds from the text of an argument. Throws ERR_CONFIG. */
export function parseInteger(
  flag: string,
  text: string,
  min = Number.MIN_SAFE_INTEGER,
  max?: number,
): number {
  const expected = describeField({ type: 'integer', default: min, min, max, help: '' });
  const value = parseNumber(flag, text, expected);
  if (!Number.isSafeInteger(value) || value < min || value > (max ?? value)) throw bad(flag, expected, text);
  return value;
}

/** A number in (0, most] from the text of an argument. Throws ERR_CONFIG. */
export function parseAmount(flag: string, text: string, most: number): number {
  const expected = `a number above 0 and at most ${most}`;
  const value = parseNumber(flag, text, expected);
  if (value > 0 && value <= most) return value;
  throw bad(flag, expected, text);
}

/** One of a few names. Throws ERR_CONFIG. */
export function parseChoice<const T extends string>(flag: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw bad(flag, `one of ${choices.join(', ')}`, text);
}

function parseField(flag: string, field: ConfigField, given: string | boolean): ConfigValue {
  if (typeof given === 'boolean' || field.type === 'string' || field.type === 'enum') return given;
  return parseNumber(flag, given, describeField(field));
}

function fieldHelp(field: ConfigField): string {
  const choices = field.type === 'enum' ? ` (${field.choices.join(', ')})` : '';
  const fallback = field.default === null || field.default === false ? '' : ` [${field.default}]`;
  return `${field.help}${choices}${fallback}`;
}

function placeholder(field: ConfigField): string {
  if (field.type === 'integer') return ' <n>';
  if (field.type === 'number') return ' <x>';
  return ' <name>';
}

/** Adds an option for every key of a schema; true-or-false ones also as `--no-...`. */
export function addSchemaOptions(command: Command, schema: ConfigSchema): void {
  for (const [key, field] of Object.entries(schema.fields)) {
    const flag = flagOf(key);
    if (field.type !== 'boolean') command.option(`--${flag}${placeholder(field)}`, fieldHelp(field));
    else {
      command.option(`--${flag}`, fieldHelp(field));
      command.option(`--no-${flag}`, `the opposite of --${flag}`);
    }
  }
}

/**
 * The config differences that commander's parsed options spell out; options that are no key of the schema are
 * left out.
 * @throws GanvasError ERR_CONFIG naming the flag, what it takes and what it got
 */
export function configOf(
  options: Readonly<Record<string, unknown>>,
  schema: ConfigSchema,
): Record<string, ConfigValue> {
  const config: Record<string, ConfigValue> = {};
  for (const [key, field] of Object.entries(schema.fields)) {
    const flag = flagOf(key);
    const given = options[keyOf(flag)];
    if (typeof given !== 'string' && typeof given !== 'boolean') continue;
    config[key] = parseField(flag, field, given);
    if (!schema.accepts(key, config[key])) throw bad(flag, describeField(field), String(given));
  }
  return config;
}
