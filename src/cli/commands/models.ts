// `ganvas models`: the models that can be trained, one line each.

import type { Command } from 'commander';
import type { CommandContext } from '../io.js';

export function addModels(program: Command, context: CommandContext): void {
  program
    .command('models')
    .description('list the models that can be trained')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas models\n  $ ganvas train dcgan --help      # the options of one model',
    )
    .action(() => {
      const entries = Object.values(context.models);
      const width = Math.max(...entries.map(({ name }) => name.length));
      for (const { name, summary } of entries) context.out.write(`${name.padEnd(width)}  ${summary}\n`);
    });
}
