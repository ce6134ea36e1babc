import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';

import { readSettings } from '../lib/settings.ts';
import { TertuliaStack } from '../lib/stack.ts';

const app = new App();
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
try {
  new TertuliaStack(app, 'Tertulia', readSettings((name) => app.node.tryGetContext(name), Object.keys(app.node.getAllContext())));
} catch (error) {
  console.error(`deploy/cdk: ${(error as Error).message}`);
  process.exit(2);
}
