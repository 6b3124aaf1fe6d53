const longest = 1024

/**
 * One text for all spellings of an account name that a directory may take for one: LDAP (RFC 4518) and databases ignore case, width
 * and composition, invisible and control characters and the amount of white space, and many of them accents. Only for counting:
 * two accounts may share the text, so it must never decide who is signed in.
 */
export function foldAccount (name: string): string {
  const folded = name.slice(0, longest).normalize('NFKD').toUpperCase().toLowerCase().normalize('NFKD')
  return folded
    .replaceAll(/[\s\u0085]+/g, ' ')
    // Those between letters of Latin, Greek and Cyrillic script; the marks of other scripts are letters.
    .replaceAll(/(?:[\p{C}\p{Default_Ignorable_Code_Point}]|[\u0300-\u036f]|[\u0483-\u0489]|[\u1ab0-\u1aff]|[\u1dc0-\u1dff]|[\u20d0-\u20ff]|[\ufe20-\ufe2f])+/gu, '')
    .replaceAll(/ +/g, ' ')
    .trim()
}
