/**
 * Returns one text for all spellings that a case-insensitive comparison may treat as equal, under any rule: simple or full case folding of
 * Unicode, upper or lower case of any language. Composition and width are unified, and invisible characters are removed.
 */
export function foldCase (text: string): string {
  // Lowercasing comes first, because ẞ has no upper case but ß has. Uppercasing comes last, because upper case has only one sigma. The
  // combining dot that remains of İ is removed.
  return text.normalize('NFKD').replaceAll(/\p{Default_Ignorable_Code_Point}+/gu, '').toLowerCase().toUpperCase().normalize('NFKD').replaceAll('I\u0307', 'I')
}
