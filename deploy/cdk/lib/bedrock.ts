import { Aws } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';

const ACTIONS = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream']; // Converse and ConverseStream need the same two

/** What a cross-region profile's prefix stands for: the regions that its calls may be carried out in. */
const PROFILE_REGIONS: Record<string, string> = { us: 'us-*', 'us-gov': 'us-gov-*', eu: 'eu-*', apac: 'ap-*', jp: 'ap-northeast-*', au: 'ap-southeast-*', global: '*' };

/** The statements that allow to call just these models: ids, inference profiles (`us.anthropic...`), or ARNs of either. */
export function bedrockStatements(models: readonly string[]): PolicyStatement[] {
  const own: string[] = [];
  const behind: PolicyStatement[] = [];
  for (const model of models) {
    const profile = /^(us-gov|us|eu|apac|jp|au|global)\.(.+)$/.exec(model);
    if (model.startsWith('arn:')) {
      own.push(model);
    } else if (!profile) {
      own.push(`arn:${Aws.PARTITION}:bedrock:${Aws.REGION}::foundation-model/${model}`);
    } else {
      const arn = `arn:${Aws.PARTITION}:bedrock:${Aws.REGION}:${Aws.ACCOUNT_ID}:inference-profile/${model}`;
      own.push(arn);
      // The call goes on to the model in any region of the profile; allowed only as a part of such a call.
      behind.push(
        new PolicyStatement({
          effect: Effect.ALLOW,
          actions: ACTIONS,
          resources: [`arn:${Aws.PARTITION}:bedrock:${PROFILE_REGIONS[profile[1]]}::foundation-model/${profile[2]}`],
          conditions: { StringLike: { 'bedrock:InferenceProfileArn': arn } },
        }),
      );
    }
  }
  return own.length === 0 ? [] : [new PolicyStatement({ effect: Effect.ALLOW, actions: ACTIONS, resources: own }), ...behind];
}
