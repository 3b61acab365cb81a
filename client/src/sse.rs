//! Server-Sent Events, read as the standard says, but for carriage returns alone, which no server of
//! this API sends.

/// A block of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// The kind, if one is named.
    pub(crate) kind: Option<String>,
    /// The id from here on, if one is named.
    pub(crate) id: Option<String>,
    /// The data, lines joined by line breaks; `None` for a block without.
    pub(crate) data: Option<String>,
}

/// A block that is larger is none of this API.
const BLOCK_BYTES_MAX: usize = 64 << 20;

/// Bytes become blocks as they come.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    bytes: Vec<u8>,
    /// The lines up to here were read.
    read: usize,
    /// No line ends before this.
    searched: usize,
    block: Block,
    block_bytes: usize,
}

impl Parser {
    /// Takes in what came.
    ///
    /// # Errors
    /// What is wrong, if no block can come of it.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.bytes.drain(..self.read);
        self.searched -= self.read;
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
        if self.block_bytes.saturating_add(self.bytes.len()) > 2 * BLOCK_BYTES_MAX {
            return Err(format!("an event of more than {BLOCK_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// The next block that is whole.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, String> {
        while let Some(length) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n')
        {
            let end = self.searched + length;
            let line = &self.bytes[self.read..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_end = line.is_empty();
            self.block_bytes += line.len();
            if self.block_bytes > BLOCK_BYTES_MAX {
                return Err(format!("an event of more than {BLOCK_BYTES_MAX} bytes"));
            }
            let line = std::str::from_utf8(line).map_err(|_| "an event that is not UTF-8")?;
            read_line(line, &mut self.block);
            (self.read, self.searched) = (end + 1, end + 1);
            if is_end {
                self.block_bytes = 0;
                return Ok(Some(std::mem::take(&mut self.block)));
            }
        }
        self.searched = self.bytes.len();
        Ok(None)
    }
}

fn read_line(line: &str, block: &mut Block) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match name {
        "event" => block.kind = Some(value.to_owned()),
        "id" if !value.contains('\0') => block.id = Some(value.to_owned()),
        "data" => match &mut block.data {
            None => block.data = Some(value.to_owned()),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
        },
        // Comments, `retry`, and what a later version adds.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(pieces: &[&[u8]]) -> Result<Vec<Block>, String> {
        let (mut parser, mut found) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.push(piece)?;
            while let Some(block) = parser.next()? {
                found.push(block);
            }
        }
        Ok(found)
    }

    #[test]
    fn blocks_come_out_however_the_bytes_came_in() {
        let text = "retry: 5\n: \nid: 1\n\nid: 2\ndata: {\"a\":\"\u{e9}:\"}\r\ndata:x\n\nevent: missed\ndata\n\nid: 9";
        let block = |kind: Option<&str>, id: Option<&str>, data: Option<&str>| Block {
            kind: kind.map(Into::into),
            id: id.map(Into::into),
            data: data.map(Into::into),
        };
        let expected = vec![
            block(None, Some("1"), None),
            block(None, Some("2"), Some("{\"a\":\"\u{e9}:\"}\nx")),
            block(Some("missed"), None, Some("")),
        ];
        let bytes = text.as_bytes();
        assert_eq!(blocks(&[bytes]).as_ref(), Ok(&expected));
        for size in 1..bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(blocks(&pieces).as_ref(), Ok(&expected), "by {size}");
        }
    }

    #[test]
    fn what_is_no_stream_of_this_api_is_an_error() {
        assert!(blocks(&[b"data: \xff\n"]).is_err());
        let large = vec![b'x'; BLOCK_BYTES_MAX];
        assert!(blocks(&[b"data: ", &large, &large, b"\n"]).is_err());
        let lines: Vec<u8> =
            std::iter::repeat_n(*b"data: 12345678\n", 5_000_000).flatten().collect();
        assert!(blocks(&lines.chunks(1 << 20).collect::<Vec<_>>()).is_err());
    }
}
