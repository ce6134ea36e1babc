import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

import type { Settings } from './settings.ts';

/** What the store does with its tables (TransactWriteItems asks for the actions that are in it). */
const ACTIONS = [
  'dynamodb:BatchWriteItem', 'dynamodb:ConditionCheckItem', 'dynamodb:DeleteItem', 'dynamodb:GetItem', 'dynamodb:PutItem',
  'dynamodb:Query', 'dynamodb:UpdateItem',
];

/** chat_sessions, with the messages as they are documented, and chat_meta, with all else that the store keeps. */
export class Tables extends Construct {
  readonly sessions: TableV2;
  readonly meta: TableV2;

  constructor(scope: Construct, settings: Settings) {
    super(scope, 'Tables');
    this.sessions = this.table('Sessions', 'chat_sessions', 'session_id', 'timestamp', settings);
    this.meta = this.table('Meta', 'chat_meta', 'pk', 'sk', settings);
  }

  grant(to: IGrantable): void {
    for (const table of [this.sessions, this.meta]) table.grant(to, ...ACTIONS);
  }

  private table(id: string, tableName: string, partition: string, sort: string, { disposable }: Settings): TableV2 {
    return new TableV2(this, id, {
      tableName,
      partitionKey: { name: partition, type: AttributeType.STRING },
      sortKey: { name: sort, type: AttributeType.STRING },
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.awsManagedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      timeToLiveAttribute: 'ttl',
      // Conversations outlive a stack that is deleted by mistake.
      deletionProtection: !disposable,
      removalPolicy: disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
    });
  }
}
