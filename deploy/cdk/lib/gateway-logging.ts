import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnAccount } from 'aws-cdk-lib/aws-apigateway';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';

const POLICY = 'service-role/AmazonAPIGatewayPushToCloudWatchLogs';

/**
 * API Gateway writes the logs of REST and WebSocket APIs in a role that is set once for an account and region, and that a new account does not have. Stages with
 * logs depend on this. It stays when the stack goes: other APIs may log by it.
 */
export class GatewayLogging extends Construct {
  constructor(scope: Construct) {
    super(scope, 'GatewayLogging');
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('apigateway.amazonaws.com'), managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName(POLICY)] });
    acknowledge(role, 'API Gateway asks for just this policy, for all APIs of the account.', `IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${POLICY}]`);
    const account = new CfnAccount(this, 'Account', { cloudWatchRoleArn: role.roleArn });
    for (const kept of [role, account]) kept.applyRemovalPolicy(RemovalPolicy.RETAIN);
  }
}
