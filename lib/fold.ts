/**
 * Returns one text for all spellings that a comparison without regard to case may take for one, by whatever rule: simple or full case
 * folding of Unicode, upper or lower case of any language, after composition and width are unified, and without invisible characters.
 */
export function foldCase (text: string): string {
  // Lower case first, because ẞ has no upper case but ß has; upper case last, because it has one sigma. The dot of İ stays behind.
  return text.normalize('NFKD').replaceAll(/\p{Default_Ignorable_Code_Point}+/gu, '').toLowerCase().toUpperCase().normalize('NFKD').replaceAll('I\u0307', 'I')
}
