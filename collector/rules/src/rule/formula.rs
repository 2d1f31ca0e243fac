//! Arithmetic of a few named series: read once, worked out on each tick.

use crate::nearest::nearest;

/// Operations in one formula.
const OPS_MAX: usize = 32;
/// Values that wait while a formula is worked out; also how deep parentheses may nest.
const DEPTH_MAX: usize = 16;

/// A formula such as `free / (free + used)`, ready to be worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    /// In the order in which they are done: values are pushed, operators take the last two.
    ops: Vec<Op>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Number(f64),
    /// Index of an operand.
    Operand(usize),
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
    Negate,
}

impl Formula {
    /// Reads `text`, in which `names` stand for operands by their position.
    ///
    /// # Errors
    /// In words for who wrote it: what is wrong, and what to do.
    pub(crate) fn read(text: &str, names: &[&str]) -> Result<Self, (String, String)> {
        let mut reader = Reader {
            rest: text,
            names,
            ops: Vec::new(),
            nested: 0,
        };
        reader.sum()?;
        reader.space();
        if !reader.rest.is_empty() {
            return Err(reader.unexpected());
        }
        let (mut depth, mut deepest) = (0_usize, 0);
        for op in &reader.ops {
            match op {
                Op::Number(_) | Op::Operand(_) => depth += 1,
                Op::Negate => {}
                _ => depth = depth.saturating_sub(1),
            }
            deepest = deepest.max(depth);
        }
        if reader.ops.len() > OPS_MAX || deepest > DEPTH_MAX {
            return Err(too_long());
        }
        Ok(Self { ops: reader.ops })
    }

    /// Whether an operand is in it.
    #[must_use]
    pub fn uses(&self, operand: usize) -> bool {
        self.ops.contains(&Op::Operand(operand))
    }

    /// As people write it, with `name` for each operand.
    pub fn written(&self, name: impl Fn(usize) -> String) -> String {
        /// How tightly the last operator binds: sums, products, and what needs no parentheses.
        const SUM: u8 = 1;
        const PRODUCT: u8 = 2;
        const ONE: u8 = 3;
        let within = |(text, binds): (String, u8), least: u8| if binds < least { format!("({text})") } else { text };
        let mut stack: Vec<(String, u8)> = Vec::new();
        for op in &self.ops {
            let right = match op {
                Op::Number(number) => {
                    stack.push((number.to_string(), ONE));
                    continue;
                }
                Op::Operand(operand) => {
                    stack.push((name(*operand), ONE));
                    continue;
                }
                _ => stack.pop().unwrap_or_default(),
            };
            if *op == Op::Negate {
                stack.push((format!("-{}", within(right, ONE)), PRODUCT));
                continue;
            }
            let left = stack.pop().unwrap_or_default();
            stack.push(match op {
                Op::Add => (format!("{} + {}", within(left, SUM), within(right, SUM)), SUM),
                Op::Subtract => (format!("{} - {}", within(left, SUM), within(right, PRODUCT)), SUM),
                Op::Multiply => (
                    format!("{} * {}", within(left, PRODUCT), within(right, PRODUCT)),
                    PRODUCT,
                ),
                Op::Divide => (format!("{} / {}", within(left, PRODUCT), within(right, ONE)), PRODUCT),
                Op::Min => (format!("min({}, {})", left.0, right.0), ONE),
                _ => (format!("max({}, {})", left.0, right.0), ONE),
            });
        }
        stack.pop().unwrap_or_default().0
    }

    /// What it comes to; `None` when an operand has no value or the result is not finite, as after a division by zero.
    pub fn work_out(&self, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let mut stack = [0.0; DEPTH_MAX];
        let mut depth = 0_usize;
        for op in &self.ops {
            match *op {
                Op::Number(number) => {
                    *stack.get_mut(depth)? = number;
                    depth += 1;
                }
                Op::Operand(operand) => {
                    *stack.get_mut(depth)? = value(operand)?;
                    depth += 1;
                }
                Op::Negate => {
                    let last = stack.get_mut(depth.checked_sub(1)?)?;
                    *last = -*last;
                }
                _ => {
                    depth = depth.checked_sub(1)?;
                    let (left, right) = (*stack.get(depth.checked_sub(1)?)?, *stack.get(depth)?);
                    stack[depth - 1] = op.of(left, right);
                }
            }
        }
        Some(stack[0]).filter(|result| depth == 1 && result.is_finite())
    }
}

impl Op {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Min => left.min(right),
            Self::Max => left.max(right),
            Self::Number(_) | Self::Operand(_) | Self::Negate => right,
        }
    }
}

fn too_long() -> (String, String) {
    (
        "the expression is too long".to_owned(),
        format!("at most {OPS_MAX} names, numbers and operators, {DEPTH_MAX} of them nested"),
    )
}

struct Reader<'a> {
    rest: &'a str,
    names: &'a [&'a str],
    ops: Vec<Op>,
    nested: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, sign: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn unexpected(&self) -> (String, String) {
        let message = match self.rest.chars().next() {
            Some(sign) => format!("`{}` is not expected in the expression", sign.escape_debug()),
            None => "the expression ends too early".to_owned(),
        };
        let hint = "write names of `series`, numbers, + - * / ( ), min(a, b) and max(a, b)";
        (message, hint.to_owned())
    }

    fn sum(&mut self) -> Result<(), (String, String)> {
        self.product()?;
        loop {
            let op = if self.eat('+') {
                Op::Add
            } else if self.eat('-') {
                Op::Subtract
            } else {
                return Ok(());
            };
            self.product()?;
            self.ops.push(op);
        }
    }

    fn product(&mut self) -> Result<(), (String, String)> {
        self.factor()?;
        loop {
            let op = if self.eat('*') {
                Op::Multiply
            } else if self.eat('/') {
                Op::Divide
            } else {
                return Ok(());
            };
            self.factor()?;
            self.ops.push(op);
        }
    }

    fn factor(&mut self) -> Result<(), (String, String)> {
        self.nested += 1;
        if self.nested > DEPTH_MAX || self.ops.len() > OPS_MAX {
            return Err(too_long());
        }
        let read = self.one();
        self.nested -= 1;
        read
    }

    fn one(&mut self) -> Result<(), (String, String)> {
        if self.eat('-') {
            self.factor()?;
            self.ops.push(Op::Negate);
            return Ok(());
        }
        if self.eat('(') {
            self.sum()?;
            return if self.eat(')') { Ok(()) } else { Err(self.unexpected()) };
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(self.unexpected());
        }
        self.rest = after;
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
            let hint = "write it like 1024 or 0.5".to_owned();
            let number = number.ok_or_else(|| (format!("`{word}` is not a number"), hint))?;
            self.ops.push(Op::Number(number));
            return Ok(());
        }
        match word {
            "min" | "max" if self.eat('(') => self.pair(if word == "min" { Op::Min } else { Op::Max }),
            _ => self.name(word),
        }
    }

    fn pair(&mut self, op: Op) -> Result<(), (String, String)> {
        self.sum()?;
        if !self.eat(',') {
            return Err(self.unexpected());
        }
        self.sum()?;
        if !self.eat(')') {
            return Err(self.unexpected());
        }
        self.ops.push(op);
        Ok(())
    }

    fn name(&mut self, word: &str) -> Result<(), (String, String)> {
        if let Some(at) = self.names.iter().position(|name| *name == word) {
            self.ops.push(Op::Operand(at));
            return Ok(());
        }
        let hint = match nearest(word, self.names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("known in `series`: {}", self.names.join(", ")),
        };
        Err((format!("`{word}` is not in `series`"), hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn worked_out(text: &str) -> Option<f64> {
        let formula = Formula::read(text, &["a", "b", "zero"]).unwrap();
        formula.work_out(|at| [Some(6.0), Some(3.0), Some(0.0)][at])
    }

    #[test]
    fn arithmetic_is_as_at_school() {
        assert_eq!(worked_out("a + b * 2"), Some(12.0));
        assert_eq!(worked_out("(a + b) * 2 - -1"), Some(19.0));
        assert_eq!(worked_out("a / b / 2"), Some(1.0));
        assert_eq!(worked_out("max(a, b) - min(a, 1.5)"), Some(4.5));
    }

    #[test]
    fn a_formula_is_written_as_it_was_meant() {
        for text in [
            "a + b * 2",
            "(a + b) * 2 - -1",
            "a / b / 2",
            "a / (b * 2)",
            "a - (b - 1)",
            "max(a, b + 1) / min(a, 1.5)",
        ] {
            let names = ["a", "b", "zero"];
            let formula = Formula::read(text, &names).unwrap();
            assert_eq!(formula.written(|at| names[at].to_owned()), text);
        }
    }

    #[test]
    fn a_division_by_zero_has_no_result() {
        assert_eq!(worked_out("a / zero"), None);
        assert_eq!(worked_out("zero / zero"), None);
        let formula = Formula::read("a + b", &["a", "b"]).unwrap();
        assert_eq!(formula.work_out(|at| (at == 0).then_some(1.0)), None);
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |text: &str| Formula::read(text, &["used", "free"]).unwrap_err();
        assert!(wrong("usde / free").1.contains("did you mean `used`"));
        assert!(wrong("used / ").0.contains("too early"));
        assert!(wrong("(used").0.contains("too early"));
        assert!(wrong("used ; free").0.contains(';'));
        assert!(wrong("1x").0.contains("not a number"));
        assert!(wrong(&"(".repeat(100)).0.contains("too long"));
        assert!(wrong(&"1+".repeat(100)).0.contains("too long"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_formula_or_a_mistake(text in "[ab0-9+*/(), .-]{0,40}") {
            if let Ok(formula) = Formula::read(&text, &["a", "b"]) {
                let _ = formula.work_out(|_| Some(1.0));
            }
        }
    }
}
