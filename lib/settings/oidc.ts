import { Type } from '@sinclair/typebox'
import { choice, duration, group, list, text } from './fields.ts'
import * as check from './text-checks.ts'

const { Optional } = Type

const claimName = (description: string) => text(check.checkNotEmpty, { description, expects: 'the name of a claim', example: 'groups' })
const claimValue = (description: string) => text(check.checkNotEmpty, { description, expects: 'a text', example: 'staff' })
const scopes = (description: string) => list(text(check.checkScope, { description: 'Scope.', expects: 'a scope' }), { description, minItems: 1, uniqueItems: true })

/** Settings of an identity provider (OpenID Connect) at which users sign in. */
export const oidcProvider = {
  /** Name of the provider. The subjects of its users are `<name>|<sub>`, and its paths end in it. */
  name: text(check.checkProviderName, { description: 'The subjects of its users are <name>|<sub>, and its paths are /auth/login/<name>, /auth/callback/<name> and /auth/backchannel-logout/<name>.', expects: 'a name', example: 'corp', hard: true }),
  /** Issuer. Discovery is `<issuer>/.well-known/openid-configuration`. */
  issuer: text(check.checkProviderIssuer, { description: 'Its issuer, exactly as its discovery document states it. http is accepted on localhost and 127.0.0.1 alone.', expects: 'an https address', example: 'https://idp.example.com', hard: true }),
  /** Id of this client at the provider. */
  clientId: text(check.checkClientId, { description: 'The id under which the provider knows the gateway.', expects: 'a text', example: 'portcullis', hard: true }),
  /** Secret of this client. Either this or `privateKey`. */
  clientSecret: Optional(text(check.checkNotEmpty, { description: 'Secret with which the gateway authenticates to the provider (client_secret_basic, or client_secret_post if the provider offers nothing else). Either this or privateKey. Secret.', expects: 'a text' })),
  /** Path of the private key of this client, in PEM. Either this or `clientSecret`. */
  privateKey: Optional(text(check.checkNotEmpty, { description: 'Private key with which the gateway authenticates to the provider (private_key_jwt): a PEM file, PKCS #8, of an EC P-256 key (ES256) or an RSA key (RS256). Either this or clientSecret.', expects: 'a path', isFile: true })),
  /** Key id (`kid`) that the provider expects in client assertions. */
  privateKeyId: Optional(text(check.checkClientId, { description: 'Key id (kid) under which the provider knows the privateKey, if it needs one.', expects: 'a text' })),
  /** Scopes that the provider is asked for; `openid` is one of them. */
  scopes: Optional(list(text(check.checkScope, { description: 'Scope.', expects: 'a scope' }), { description: 'Scopes that the provider is asked for; openid must be one of them.', default: ['openid', 'profile', 'email'], minItems: 1, uniqueItems: true })),
  /** Claims that the session keeps. */
  claims: Optional(list(claimName('Name of a claim.'), { description: 'Claims that are kept with the session, at most 4 KiB, for claims of upstreams and for handlers. A user with larger ones is refused. Claims that only the userinfo endpoint states count as well.', default: [], maxItems: 50, uniqueItems: true })),
  /** Scopes of users. */
  grant: Optional(list(group({
    /** Name of a claim. */
    claim: Optional(claimName('Claim that decides. By default every user has the scopes. email_domain is the domain of a verified e-mail address.')),
    /** Value that the claim has, or that is one of a list in it. */
    value: Optional(claimValue('Value that the claim, or an entry of its list, must have.')),
    /** Scopes that the line grants. */
    scopes: scopes('Scopes here.')
  }, { description: 'Scopes for the users who have a claim.' }), { description: 'Scopes of the users here, by their claims; all lines that match count. A user who matches no line has none.', default: [], maxItems: 1000 })),
  /** Condition that a user must meet. */
  allow: Optional(group({
    /** Name of a claim. */
    claim: claimName('Claim that decides. email_domain is the domain of a verified e-mail address.'),
    /** Value that the claim has, or that is one of a list in it. */
    value: claimValue('Value that the claim, or an entry of its list, must have.')
  }, { description: 'Every user without this claim is refused (403). By default every user of the provider may sign in.' })),
  /** Strengths of which the provider is asked for one. */
  acr: Optional(group({
    /** Accepted strengths. */
    values: list(text(check.checkScope, { description: 'acr.', expects: 'a text without blanks' }), { description: 'The provider is asked for one of these, and every other one is refused.', minItems: 1, uniqueItems: true })
  }, { description: 'Strength of the authentication.' })),
  /** `prompt` of every sign-in. */
  prompt: Optional(choice(['login', 'consent', 'select_account'], { description: 'What the provider shows at every sign-in (prompt), even if it knows the user. The browser carries it, and its user may remove it; maxAge is verified.' })),
  /** Maximum age of the authentication at sign-in. */
  maxAge: Optional(duration({ description: 'Maximum age of the authentication at the provider when a user signs in here (max_age).', minimum: '0s', maximum: '365d' })),
  /** Whether the session ends at the `session_expiry` of the ID token at the latest. */
  sessionExpiry: Optional(choice(['honour', 'ignore'], { description: 'honour: a session ends at the session_expiry of its ID token at the latest.', default: 'honour' }))
}
