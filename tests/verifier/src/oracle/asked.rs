//! How the rows of a read model are asked for over HTTP, and which field of an answer is which column.

/// One question and how to read its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query, without paging.
    pub path: String,
    /// Whether it is answered with pages or with one object.
    pub list: bool,
    /// What all rows of the answer have in common and the answer does not repeat: column and value.
    pub given: Vec<(&'static str, String)>,
    /// Where each column stands in a row of the answer, as a JSON pointer.
    pub fields: &'static [(&'static str, &'static str)],
    /// The column that grows whenever a row changes.
    pub age: &'static str,
}

impl Asked {
    /// All rows, page by page.
    #[must_use]
    pub fn list(path: impl Into<String>, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { path: path.into(), list: true, given: Vec::new(), fields, age: "version" }
    }

    /// One row.
    #[must_use]
    pub fn one(path: impl Into<String>, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { list: false, ..Self::list(path, fields) }
    }

    /// The same where another column than the version grows.
    #[must_use]
    pub fn aged_by(self, age: &'static str) -> Self {
        Self { age, ..self }
    }

    /// The same where the question says the value of a column.
    #[must_use]
    pub fn given(mut self, column: &'static str, value: impl Into<String>) -> Self {
        self.given.push((column, value.into()));
        self
    }
}
