import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Says of a finding of cdk-nag why it is meant so. Every one has its reason beside it; there is none for the whole stack. */
export function acknowledge(construct: IConstruct, reason: string, ...findings: string[]): void {
  for (const finding of findings) Validations.of(construct).acknowledge({ id: `AwsSolutions-${finding}`, reason });
}
