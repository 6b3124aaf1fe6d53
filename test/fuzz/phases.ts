import { bodies } from './bodies.ts'
import type { Phase } from './campaign.ts'
import { cookies } from './cookies.ts'
import { framing } from './framing.ts'
import { headers } from './headers.ts'
import { methods } from './methods.ts'
import { paths } from './paths.ts'
import { tokens } from './tokens.ts'

/** Whatever kind of input a phase has, it goes to nobody but its own probe. */
const asPhase = <Input>(phase: Phase<Input>): Phase => phase as unknown as Phase

export const phases: Phase[] = [asPhase(tokens), asPhase(cookies), asPhase(paths), asPhase(headers), asPhase(bodies), asPhase(methods), asPhase(framing)]
