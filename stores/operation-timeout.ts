/** Description and bounds of the setting `timeout`, which every kind of store has. */
export const operationTimeout = { description: 'Maximum duration of one operation; a longer one counts as an outage.', minimum: '50ms', maximum: '60s' } as const
