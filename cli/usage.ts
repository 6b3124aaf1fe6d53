export const usage = `portcullis: a session gateway

  portcullis start --config FILE [--workers N]
                                            run the gateway, in N processes, until SIGTERM or SIGINT
  portcullis check --config FILE            check the configuration and tell what each upstream accepts
  portcullis users add NAME --file FILE     add a user or change a password (password on standard input)
                   [--subject S] [--scopes "a b"]
  portcullis users remove NAME --file FILE
  portcullis keys list | rotate | revoke KID --config FILE
                                            signing keys; the tokens of a revoked one are refused at once
  portcullis sessions --subject S --config FILE
  portcullis revoke (--session SID | --subject S | --jti J [--issuer I] | --all) --config FILE

Exit: 0 fine, 1 refused or failed, 2 wrong usage.
`
