// The executable with stand-ins for training, so that signals and pipes can be tested on a real process in a second.

import { runAsProcess } from '../../src/cli/process.js';
import { loadGenerator, measureRobustness, models, trainClassifier, trainRun } from './stand-ins.js';

await runAsProcess({ models, trainRun, loadGenerator, trainClassifier, measureRobustness });
