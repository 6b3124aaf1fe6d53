import type { Problem } from './problems.ts'
import type { Settings } from './schema.ts'

/** Finds contradictions between the issuers, and between an issuer and the gateway. */
export function checkIssuers (issuers: Settings['issuers'], origin: string): Problem[] {
  return issuers.flatMap(({ name, issuer, jwks, jwksUri }, index) => {
    const problems: Problem[] = []
    const refuse = (setting: string, text: string) => problems.push({ setting: `issuers[${index}].${setting}`, text })
    const sameName = issuers.findIndex(other => other.name === name)
    const sameIssuer = issuers.findIndex(other => other.issuer === issuer)

    if (sameName < index) refuse('name', `is that of issuers[${sameName}] too, so two people could be one subject; choose another`)
    if (sameIssuer < index) refuse('issuer', `is that of issuers[${sameIssuer}] too; remove one`)
    if (URL.parse(issuer)?.href === new URL(origin).href) refuse('issuer', 'must not be the origin, whose tokens are accepted anyway; remove it')
    if (jwks === undefined && jwksUri === undefined) refuse('jwks', 'is required unless jwksUri is set; add jwks: <path>, or jwksUri: <address>')
    if (jwks !== undefined && jwksUri !== undefined) refuse('jwksUri', 'cannot be set together with jwks; remove one of them')
    return problems
  })
}
