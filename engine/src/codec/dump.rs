//! Hex dumps of tiny files at the end of format pages: tests read them and make them again.

/// The dump of a file. Lines of zeros are left out.
pub(crate) fn to_text(bytes: &[u8]) -> String {
    let mut text = format!("length {}\n", bytes.len());
    for (index, line) in bytes.chunks(16).enumerate() {
        if line.iter().any(|byte| *byte != 0) {
            let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let shown: String = line
                .iter()
                .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
                .collect();
            text.push_str(&format!("{:08x}  {}  {shown}\n", index * 16, hex.join(" ")));
        }
    }
    text
}

/// The file whose dump is the last fenced block of a page.
pub(crate) fn from_page(page: &str) -> Vec<u8> {
    let block = page.trim_end().strip_suffix("```").expect("a page ends in a dump");
    let (_, block) = block.rsplit_once("```text\n").expect("a dump begins with ```text");
    let mut lines = block.lines();
    let length = lines.next().and_then(|line| line.strip_prefix("length ")).expect("a length");
    let mut bytes = vec![0; length.parse().expect("a length")];
    for line in lines {
        let mut fields = line.split("  ");
        let offset = usize::from_str_radix(fields.next().expect("an offset"), 16).expect("hex");
        for (index, byte) in fields.next().expect("bytes").split(' ').enumerate() {
            bytes[offset + index] = u8::from_str_radix(byte, 16).expect("hex");
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_comes_back() {
        let mut bytes = vec![0; 100];
        bytes[20] = b'a';
        bytes[99] = 0xfe;
        let page = format!("# A page\n```text\nnot this\n```\n```text\n{}```\n", to_text(&bytes));
        assert_eq!(from_page(&page), bytes);
    }
}
