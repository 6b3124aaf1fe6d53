import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../', import.meta.url))

/** A member of a type as an editor shows it: its declaration in one line, its type, and its comment. */
export interface Member { name: string, text: string, type: string, isOptional: boolean, comment: string, symbol: ts.Symbol }

/** Reads types and comments from the sources of the package, as the compiler understands them. */
export class Declarations {
  readonly #program: ts.Program
  readonly #checker: ts.TypeChecker

  constructor () {
    const { options } = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} })!
    this.#program = ts.createProgram([`${root}index.ts`], options)
    this.#checker = this.#program.getTypeChecker()
  }

  /** Returns an exported type or value of a file. Throws if there is none. */
  exportOf (path: string, name: string): ts.Symbol {
    const found = this.#checker.getExportsOfModule(this.#checker.getSymbolAtLocation(this.#file(path))!).find(symbol => symbol.name === name)
    if (found === undefined) throw new Error(`${path} exports no ${name}`)
    return (found.flags & ts.SymbolFlags.Alias) === 0 ? found : this.#checker.getAliasedSymbol(found)
  }

  /** Returns the members of a declared type, in the order of their declaration; those of a union are the members of all its branches. */
  membersOf (symbol: ts.Symbol): Member[] {
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol)
    const branches = type.isUnion() ? type.types : [type]
    const members = new Map(branches.flatMap(branch => this.#checker.getPropertiesOfType(branch)).map(property => [property.name, this.#member(property)]))
    return [...members.values()].filter(({ name }) => !/^_*[@#]/.test(name))
  }

  /** Returns the members that a file adds to an interface of another module, such as the parts of `Portcullis`. */
  additionsTo (path: string, moduleName: string, interfaceName: string): Member[] {
    const modules = this.#file(path).statements.filter(ts.isModuleDeclaration).filter(({ name }) => name.text === moduleName)
    const interfaces = modules.flatMap(({ body }) => (body as ts.ModuleBlock).statements.filter(ts.isInterfaceDeclaration)).filter(({ name }) => name.text === interfaceName)
    return interfaces.flatMap(({ members }) => members.flatMap(({ name }) => name === undefined || ts.isComputedPropertyName(name) ? [] : this.#member(this.#checker.getSymbolAtLocation(name)!)))
  }

  /** Returns the members of the type of a member, or of the items of its list. */
  nestedOf ({ symbol }: Member): Member[] {
    const type = this.#checker.getNonNullableType(this.#checker.getTypeOfSymbol(symbol))
    return this.#checker.getPropertiesOfType(this.#checker.getIndexTypeOfType(type, ts.IndexKind.Number) ?? type).map(property => this.#member(property))
  }

  /** Returns the interface that is the type of a member; null for every other type, and for those of libraries. */
  interfaceOf ({ symbol }: Member): ts.Symbol | null {
    const found = this.#checker.getTypeOfSymbol(symbol).getSymbol()
    const declaration = found?.declarations?.[0]
    return declaration !== undefined && ts.isInterfaceDeclaration(declaration) && !declaration.getSourceFile().fileName.includes('/node_modules/') ? found! : null
  }

  /** Returns the comment of a declaration in one line. */
  commentOf (symbol: ts.Symbol): string {
    return inOneLine(ts.displayPartsToString(symbol.getDocumentationComment(this.#checker)))
  }

  /** Returns the comment of the default export of a file, which an expression may be. */
  commentOfDefault (path: string): string {
    const exported = this.#file(path).statements.find(statement => ts.isExportAssignment(statement) || (ts.isFunctionDeclaration(statement) && (ts.getCombinedModifierFlags(statement) & ts.ModifierFlags.Default) !== 0))
    const text = exported === undefined ? undefined : ts.getJSDocCommentsAndTags(exported).at(-1)?.comment
    return inOneLine(ts.getTextOfJSDocComment(text) ?? '')
  }

  /** Returns the source of an exported declaration. */
  sourceOf (symbol: ts.Symbol): string {
    return symbol.declarations![0]!.getText()
  }

  #file (path: string): ts.SourceFile {
    return this.#program.getSourceFile(root + path)!
  }

  #member (symbol: ts.Symbol): Member {
    const declared = this.#checker.getNonNullableType(this.#checker.getTypeOfSymbol(symbol))
    const declaration = symbol.declarations?.[0]
    const isOptional = (symbol.flags & ts.SymbolFlags.Optional) !== 0
    const type = withoutTypeArguments(this.#checker.typeToString(declared, undefined, ts.TypeFormatFlags.NoTruncation)).replaceAll('"', '\'')
    return {
      name: symbol.name,
      // A member that is derived from a schema is declared by an expression.
      text: declaration === undefined || ts.isPropertyAssignment(declaration) ? `${symbol.name}${isOptional ? '?' : ''}: ${type}` : inOneLine(textOf(declaration)).replace(/^(?:readonly|async) /, ''),
      type,
      isOptional,
      comment: this.commentOf(symbol),
      symbol
    }
  }
}

/** Returns the text of a declaration without its body. */
function textOf (declaration: ts.Declaration): string {
  const body = ts.isMethodDeclaration(declaration) ? declaration.body : undefined
  return body === undefined ? declaration.getText() : declaration.getText().slice(0, body.pos - declaration.getStart())
}

/** Removes type arguments, which in types of Fastify are longer than a page. */
function withoutTypeArguments (type: string): string {
  const shorter = type.replaceAll(/<[^<>]*>/g, '')
  return shorter === type ? type : withoutTypeArguments(shorter)
}

function inOneLine (text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
