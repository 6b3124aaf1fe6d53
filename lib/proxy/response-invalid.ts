/** A response that HTTP/1.1 does not permit, or that two parsers could read in different ways. The message completes "the response is invalid: …". */
export class ResponseInvalid extends Error {}
