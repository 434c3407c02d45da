#!/usr/bin/env node
// The executable `ganvas`: connects the command line to this process. Everything else is in program.ts.

import { measureRobustness } from '../adversarial/robustness.js';
import { trainClassifier } from '../classifier/train.js';
import { models } from '../models/registry.js';
import { loadGenerator } from '../train/generator.js';
import { trainRun } from '../train/run.js';
import { runAsProcess } from './process.js';

await runAsProcess({ models, trainRun, loadGenerator, trainClassifier, measureRobustness });
