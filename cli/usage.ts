export const usage = `portcullis: a session gateway

  portcullis start --config FILE [--workers N]
                                            run the gateway, in N processes, until SIGTERM or SIGINT
  portcullis check --config FILE [--online] check the configuration and tell what each upstream accepts
  portcullis users add NAME --file FILE     add a user or change a password (password on standard input)
                   [--subject S] [--scopes "a b"]
  portcullis users remove NAME --file FILE
  portcullis keys list | rotate | revoke KID --config FILE
                                            signing keys; the tokens of a revoked one are refused at once
  portcullis sessions --subject S --config FILE
  portcullis revoke (--session SID | --subject S | --jti J [--issuer I] | --all) --config FILE
  portcullis COMMAND --help                 more about one of them
  portcullis --version

Exit: 0 fine, 1 refused or failed, 2 wrong usage.
`

const config = '  --config FILE   the configuration: .yaml, .json, .ts or .js'

/** The `--help` text of each command. */
export const commandUsage: Record<string, string> = {
  start: `usage: portcullis start --config FILE [--workers N]

Runs the gateway. It prints one line when it listens; SIGTERM or SIGINT drains and ends it, a second one ends it at once.

${config}
  --workers N     how many processes serve on the one port, 1 to 64; as many as there are cores is right, 1 is the default
`,
  check: `usage: portcullis check --config FILE [--online]

Checks the configuration and the files that it names, and tells what each upstream accepts and is told. It starts, makes and asks
nothing. What the gateway would not start with is exit 1 and one line each on standard error; what deserves a second look is a
line that begins with "warning: " and exit 0.

With --online it also asks each identity provider whether users could sign in: for its configuration and keys, whether it accepts the
client, by redeeming a code that was never issued, and whether it knows the redirect URI, by a request that shows no page. It follows
no redirect and takes at most 20 seconds. What is wrong there is exit 1 too.

${config}
  --online        ask the identity providers as well
`,
  users: `usage: portcullis users add NAME --file FILE [--subject S] [--scopes "a b"]
       portcullis users remove NAME --file FILE

Adds a user, gives an existing one a new password, or removes one. The password is asked for, or read from standard input where
that is no terminal, and stored as a hash. A new one has at least 8 characters and at most 1024 bytes, of any kind, and is none of
the commonest; fewer than 15 is a warning. The file keeps its owner, group, mode and access control list.
A running gateway takes the change over, and signs out everywhere who is gone, has a new password or loses a scope.

  --file FILE     the users file, made by add if it is absent
  --subject S     what services know the user by; by default the name, or what it was
  --scopes "a b"  what the user may do, separated by spaces; by default nothing, or what it was
`,
  keys: `usage: portcullis keys list --config FILE
       portcullis keys rotate --config FILE
       portcullis keys revoke KID --config FILE

Lists the signing keys, makes the next one, or revokes one: then its tokens are refused at once, everywhere.
A change is one audit line on standard error.

${config}
`,
  sessions: `usage: portcullis sessions --subject S --config FILE

Lists the sessions of a subject, one JSON object a line, and writes one audit line to standard error.

  --subject S     the subject; of another issuer's users NAME|SUB
${config}
`,
  revoke: `usage: portcullis revoke (--session SID | --subject S | --jti J [--issuer I] | --all) --config FILE

Makes a revocation durable in the store; running gateways follow at once. Says how many sessions of a subject were ended, and writes
one audit line to standard error.

  --session SID   one session
  --subject S     every session and token of a subject until now
  --jti J         one access token; --issuer I when it is another issuer's, with the iss of its tokens
  --all           every session and token of everybody until now
${config}
`
}
