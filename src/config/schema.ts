// Typed config objects with defaults. A schema lists the keys, their types, ranges and help; `resolve` merges
// an object that holds only differences over the defaults and refuses anything it does not know. One flat
// level of scalars, on purpose: every key is also a command-line option. Not a general validator.

import { GanvasError } from '../errors.js';
import { didYouMean } from './closest.js';

interface Described {
  /** One line for `--help`, with the unit where there is one. */
  help: string;
}

/**
 * A number; `default: null` means "not given" and makes the resolved type `number | null`. Bounds are
 * inclusive.
 */
export interface NumericField extends Described {
  type: 'integer' | 'number';
  default: number | null;
  min?: number;
  max?: number;
}

export interface BooleanField extends Described {
  type: 'boolean';
  default: boolean;
}

export interface StringField extends Described {
  type: 'string';
  default: string | null;
}

export interface EnumField extends Described {
  type: 'enum';
  choices: readonly string[];
  default: string;
}

export type ConfigField = NumericField | BooleanField | StringField | EnumField;
export type ConfigFields = Readonly<Record<string, ConfigField>>;
export type ConfigValue = number | boolean | string | null;

type Nullable<F> = F extends { default: null } ? null : never;

type ValueOf<F extends ConfigField> = F extends NumericField
  ? number | Nullable<F>
  : F extends BooleanField
    ? boolean
    : F extends EnumField
      ? F['choices'][number]
      : string | Nullable<F>;

/** The object that a schema with fields `S` resolves to: every key present. */
export type ConfigOf<S extends ConfigFields> = { -readonly [K in keyof S]: ValueOf<S[K]> };

/** What a value of this field may be, in words: `an integer from 1 to 4096`. */
export function describeField(field: ConfigField): string {
  switch (field.type) {
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a string';
    case 'enum':
      return `one of ${field.choices.join(', ')}`;
    case 'integer':
    case 'number': {
      const noun = field.type === 'integer' ? 'an integer' : 'a finite number';
      if (field.min !== undefined && field.max !== undefined)
        return `${noun} from ${field.min} to ${field.max}`;
      if (field.min !== undefined) return `${noun} of at least ${field.min}`;
      if (field.max !== undefined) return `${noun} of at most ${field.max}`;
      return noun;
    }
  }
}

function accepts(field: ConfigField, value: unknown): boolean {
  if (value === null) return field.default === null;
  switch (field.type) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string';
    case 'enum':
      return typeof value === 'string' && field.choices.includes(value);
    case 'integer':
    case 'number':
      return (
        typeof value === 'number' &&
        (field.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
        value >= (field.min ?? Number.NEGATIVE_INFINITY) &&
        value <= (field.max ?? Number.POSITIVE_INFINITY)
      );
  }
}

function show(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 60 ? `"${value.slice(0, 57)}..."` : JSON.stringify(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

export class ConfigSchema<S extends ConfigFields = ConfigFields> {
  constructor(readonly fields: S) {}

  keys(): string[] {
    return Object.keys(this.fields);
  }

  /** Every key with its default value. */
  defaults(): ConfigOf<S> {
    return Object.fromEntries(this.keys().map((key) => [key, this.fields[key].default])) as ConfigOf<S>;
  }

  /** Whether `value` is allowed for the known key `key`. */
  accepts(key: string, value: unknown): boolean {
    return accepts(this.fields[key], value);
  }

  /**
   * The defaults with `partial` on top. A value of undefined counts as not given.
   * @param partial a plain object with only the differences
   * @param source where it came from, for error messages: `config.json`, `command line`
   * @throws GanvasError ERR_CONFIG for an unknown key (naming the nearest one), a wrong type, NaN or a value
   * out of range
   */
  resolve(partial: unknown = {}, source = 'config'): ConfigOf<S> {
    if (typeof partial !== 'object' || partial === null || Array.isArray(partial)) {
      throw new GanvasError('ERR_CONFIG', `${source}: expected an object of options, got ${show(partial)}`);
    }
    const resolved: Record<string, ConfigValue> = this.defaults();
    for (const [key, value] of Object.entries(partial)) {
      if (!Object.hasOwn(this.fields, key)) {
        const hint = didYouMean(key, this.keys()) || `; known: ${this.keys().join(', ')}`;
        throw new GanvasError('ERR_CONFIG', `${source}: unknown option "${key}"${hint}`);
      }
      if (value === undefined) continue;
      if (!this.accepts(key, value)) {
        const expected = describeField(this.fields[key]);
        throw new GanvasError('ERR_CONFIG', `${source}: ${key} must be ${expected}, got ${show(value)}`);
      }
      resolved[key] = value as ConfigValue;
    }
    return resolved as ConfigOf<S>;
  }

  /** The entries of `config` that differ from the defaults: what is worth writing by hand. */
  differences(config: ConfigOf<S>): Partial<ConfigOf<S>> {
    const entries = Object.entries(config).filter(([key, value]) => value !== this.fields[key].default);
    return Object.fromEntries(entries) as Partial<ConfigOf<S>>;
  }

  /**
   * A schema with the keys of both; a key of `other` replaces the same key here (a model's own default, say).
   */
  merge<T extends ConfigFields>(other: ConfigSchema<T>): ConfigSchema<Omit<S, keyof T> & T> {
    return new ConfigSchema({ ...this.fields, ...other.fields });
  }
}

/**
 * Declares a config object.
 * @example
 * const schema = defineConfig({ batch: { type: 'integer', default: 64, min: 1, max: 4096, help: 'images per
 * step' } }); schema.resolve({ batch: 32 }, 'command line').batch; // 32, typed as number
 * @throws GanvasError ERR_INTERNAL when a default does not satisfy its own field
 */
export function defineConfig<const S extends ConfigFields>(fields: S): ConfigSchema<S> {
  for (const [key, field] of Object.entries(fields)) {
    if (!accepts(field, field.default)) {
      throw new GanvasError(
        'ERR_INTERNAL',
        `config default of ${key} must be ${describeField(field)}, got ${field.default}`,
      );
    }
  }
  return new ConfigSchema(fields);
}
