/** The condition for a record that is neither expired nor below the store's epoch; a subject's cut removes the records that it ends. */
export const isLive = 'expires_at_ms > :nowMs AND epoch >= (SELECT floor_epoch FROM state)'
