//! Executables made byte by byte, for tests.

/// A section: its name, its address in memory, its bytes.
pub(crate) type Section<'a> = (&'a str, u64, Vec<u8>);

/// Writes numbers of one byte order, and words of one width.
pub(crate) struct Numbers {
    pub(crate) is_64: bool,
    pub(crate) is_big: bool,
}

impl Numbers {
    pub(crate) fn number(&self, value: u64, length: usize) -> Vec<u8> {
        match self.is_big {
            true => value.to_be_bytes()[8 - length..].to_vec(),
            false => value.to_le_bytes()[..length].to_vec(),
        }
    }

    pub(crate) fn word(&self, value: u64) -> Vec<u8> {
        self.number(value, if self.is_64 { 8 } else { 4 })
    }

    /// A program with these sections, each also a segment that may be written.
    pub(crate) fn elf(&self, sections: &[Section<'_>], has_sections: bool) -> Vec<u8> {
        let (header, segment) = if self.is_64 { (64, 56) } else { (52, 32) };
        let mut at = header + segment * sections.len();
        let mut names = b"\0.shstrtab\0".to_vec();
        let mut rows = vec![self.section_row(0, 0, 0, 0, 0)];
        let (mut segments, mut data) = (Vec::new(), Vec::<u8>::new());
        for (name, address, bytes) in sections {
            let (offset, size) = (at as u64, bytes.len() as u64);
            rows.push(self.section_row(names.len() as u64, 1, *address, offset, size));
            names.extend(name.bytes());
            names.push(0);
            segments.extend(self.segment_row(*address, offset, size));
            data.extend(bytes);
            at += bytes.len();
        }
        rows.push(self.section_row(1, 3, 0, at as u64, names.len() as u64));
        data.extend(&names);
        let rows_at = at + names.len();
        let count = if has_sections { rows.len() as u64 } else { 0 };
        let mut out = b"\x7fELF".to_vec();
        out.extend([if self.is_64 { 2 } else { 1 }, if self.is_big { 2 } else { 1 }, 1]);
        out.resize(16, 0);
        out.extend(self.number(2, 2));
        out.extend(self.number(0, 2));
        out.extend(self.number(1, 4));
        out.extend(self.word(0));
        out.extend(self.word(header as u64));
        out.extend(self.word(rows_at as u64));
        out.extend(self.number(0, 4));
        let row = rows[0].len() as u64;
        for half in
            [header as u64, segment as u64, sections.len() as u64, row, count, count.max(1) - 1]
        {
            out.extend(self.number(half, 2));
        }
        out.extend(segments);
        out.extend(data);
        rows.iter().for_each(|row| out.extend(row));
        out
    }

    fn section_row(&self, name: u64, kind: u64, address: u64, offset: u64, size: u64) -> Vec<u8> {
        let mut row = [self.number(name, 4), self.number(kind, 4)].concat();
        for word in [3, address, offset, size] {
            row.extend(self.word(word));
        }
        row.resize(if self.is_64 { 64 } else { 40 }, 0);
        row
    }

    fn segment_row(&self, address: u64, offset: u64, size: u64) -> Vec<u8> {
        let flags = self.number(6, 4);
        let mut row = self.number(1, 4);
        if self.is_64 {
            row.extend(&flags);
        }
        for word in [offset, address, address, size, size] {
            row.extend(self.word(word));
        }
        if !self.is_64 {
            row.extend(&flags);
        }
        row.extend(self.word(0));
        row
    }
}

/// A program of Windows with one section of data at that address.
pub(crate) fn pe(address: u64, data: &[u8]) -> Vec<u8> {
    let numbers = Numbers { is_64: true, is_big: false };
    let mut out = b"MZ".to_vec();
    out.resize(0x3c, 0);
    out.extend(numbers.number(0x40, 4));
    out.extend(b"PE\0\0");
    out.extend([0x64, 0x86, 1, 0]);
    out.resize(0x40 + 20, 0);
    out.extend(numbers.number(0xf0, 2));
    out.resize(0x40 + 24, 0);
    out.extend(numbers.number(0x20b, 2));
    out.resize(0x40 + 24 + 24, 0);
    out.extend(numbers.word(0x1_4000_0000));
    out.resize(0x40 + 24 + 0xf0, 0);
    out.extend(b".data\0\0\0");
    for number in [data.len() as u64, address - 0x1_4000_0000, data.len() as u64 + 100, 0x200] {
        out.extend(numbers.number(number, 4));
    }
    out.resize(0x40 + 24 + 0xf0 + 36, 0);
    out.extend(numbers.number(0xc000_0040, 4));
    out.resize(0x200, 0);
    out.extend(data);
    out.extend([0; 100]);
    out
}

/// A program of macOS, 64 bits, with one section in a segment of data.
pub(crate) fn mach_o(name: &str, address: u64, data: &[u8]) -> Vec<u8> {
    let numbers = Numbers { is_64: true, is_big: false };
    let named = |name: &str| {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(16, 0);
        bytes
    };
    let size = data.len() as u64;
    let mut out = vec![0xcf, 0xfa, 0xed, 0xfe];
    out.resize(16, 0);
    out.extend(numbers.number(1, 4));
    out.extend(numbers.number(72 + 80, 4));
    out.resize(32, 0);
    out.extend(numbers.number(0x19, 4));
    out.extend(numbers.number(72 + 80, 4));
    out.extend(named("__DATA"));
    for word in [address, size, 0x100, size] {
        out.extend(numbers.word(word));
    }
    out.resize(32 + 72, 0);
    out.extend(named(name));
    out.extend(named("__DATA"));
    out.extend(numbers.word(address));
    out.extend(numbers.word(size));
    out.extend(numbers.number(0x100, 4));
    out.resize(0x100, 0);
    out.extend(data);
    out
}

/// Go's build information as it is written since 1.18.
pub(crate) fn build_info(version: &str, modules: &str) -> Vec<u8> {
    let mut out = b"\xff Go buildinf:\x08\x02".to_vec();
    out.resize(32, 0);
    let framed = if modules.is_empty() {
        String::new()
    } else {
        format!("{0}{modules}{0}", "0123456789abcdef")
    };
    for string in [version, framed.as_str()] {
        let mut length = string.len();
        while length >= 0x80 {
            out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend(string.bytes());
    }
    out
}

/// As it was written before: a header that points to two strings, all in one piece of data.
pub(crate) fn old_build_info(
    numbers: &Numbers,
    address: u64,
    version: &str,
    modules: &str,
) -> Vec<u8> {
    let framed = format!("{0}{modules}{0}", "0123456789abcdef");
    let pointer = if numbers.is_64 { 8 } else { 4 };
    let headers = address + 32;
    let strings = headers + 4 * pointer;
    let mut out = b"\xff Go buildinf:".to_vec();
    out.push(u8::try_from(pointer).unwrap());
    out.push(u8::from(numbers.is_big));
    out.extend(numbers.word(headers));
    out.extend(numbers.word(headers + 2 * pointer));
    out.resize(32, 0);
    out.extend(numbers.word(strings));
    out.extend(numbers.word(version.len() as u64));
    out.extend(numbers.word(strings + version.len() as u64));
    out.extend(numbers.word(framed.len() as u64));
    out.extend(version.bytes());
    out.extend(framed.bytes());
    out
}
