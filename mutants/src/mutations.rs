//! Which mistakes are made: the places of a file, and what could stand there instead.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Lit, UnOp};

/// A place in a file, and what could stand there.
pub struct Site {
    pub range: Range<usize>,
    /// In words, and as code.
    pub variants: Vec<(String, String)>,
}

/// Methods without arguments that are worth leaving out.
const DROPPED: [&str; 16] = [
    "t", "exp", "ln", "sqrt", "sin", "cos", "tanh", "sigmoid", "sign", "abs", "relu", "trunc",
    "rev", "recip", "floor", "detach",
];
/// Methods that are taken for each other.
const EXCHANGED: [(&str, &str); 6] = [
    ("sin", "cos"),
    ("sinh", "cosh"),
    ("min", "max"),
    ("minimum", "maximum"),
    ("tril", "triu"),
    ("less", "equals"),
];
/// Methods of a variable that do not depend on how it came about.
const PLAIN: [&str; 4] = ["shape", "tape", "rank", "zeros_like"];
/// What a rule asks its context for.
const ASKED: [&str; 4] = ["input", "output", "cotangent", "cotangent_of"];

/// All places of a file.
pub fn sites(text: &str, path: &str) -> syn::Result<Vec<Site>> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder {
        text,
        sites: Vec::new(),
        function: String::new(),
        slopes: path.ends_with("dual.rs"),
    };
    finder.visit_file(&file);
    Ok(finder.sites)
}

struct Finder<'a> {
    text: &'a str,
    sites: Vec<Site>,
    /// The function that is looked at.
    function: String,
    /// Whether the file is that of slopes.
    slopes: bool,
}

impl Finder<'_> {
    fn code(&self, of: &impl Spanned) -> &str {
        &self.text[of.span().byte_range()]
    }

    fn add(&mut self, at: &impl Spanned, variants: impl IntoIterator<Item = String>) {
        let range = at.span().byte_range();
        let short = |code: &str| {
            let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
            if code.chars().count() <= 90 {
                code
            } else {
                format!("{}…", code.chars().take(90).collect::<String>())
            }
        };
        let before = short(&self.text[range.clone()]);
        let variants: Vec<_> = variants
            .into_iter()
            .map(|code| (format!("`{before}` → `{}`", short(&code)), code))
            .collect();
        match self.sites.iter_mut().find(|site| site.range == range) {
            Some(site) => site.variants.extend(variants),
            None => self.sites.push(Site { range, variants }),
        }
    }

    fn binary(&mut self, expr: &syn::ExprBinary) {
        let (a, b) = (self.code(&expr.left).to_owned(), self.code(&expr.right).to_owned());
        let with = |op: &str| format!("{a} {op} {b}");
        let variants = match expr.op {
            BinOp::Add(_) => vec![with("-"), a.clone(), b.clone()],
            BinOp::Sub(_) => vec![with("+"), a.clone(), format!("-({b})")],
            BinOp::Mul(_) => vec![with("/"), a.clone(), b.clone()],
            BinOp::Div(_) => vec![with("*"), a.clone()],
            BinOp::AddAssign(_) => vec![with("-="), with("=")],
            BinOp::SubAssign(_) => vec![with("+=")],
            BinOp::MulAssign(_) => vec![with("/="), with("=")],
            BinOp::DivAssign(_) => vec![with("*=")],
            BinOp::Lt(_) => vec![with("<="), with(">=")],
            BinOp::Le(_) => vec![with("<"), with(">")],
            BinOp::Gt(_) => vec![with(">="), with("<=")],
            BinOp::Ge(_) => vec![with(">"), with("<")],
            BinOp::Eq(_) => vec![with("!=")],
            BinOp::Ne(_) => vec![with("==")],
            BinOp::And(_) => vec![with("||"), a.clone(), b.clone()],
            BinOp::Or(_) => vec![with("&&"), a.clone(), b.clone()],
            _ => return,
        };
        self.add(expr, variants);
    }

    fn method(&mut self, call: &syn::ExprMethodCall) {
        let (receiver, name) = (self.code(&call.receiver).to_owned(), call.method.to_string());
        let code = self.code(call).to_owned();
        if call.args.is_empty() && DROPPED.contains(&&*name) || name == "and" || name == "carry" {
            self.add(call, [receiver.clone()]);
        }
        for (a, b) in EXCHANGED {
            for (a, b) in [(a, b), (b, a)] {
                if name == a {
                    let args: Vec<_> = call.args.iter().map(|arg| self.code(arg)).collect();
                    let changed = format!("{receiver}.{b}({})", args.join(", "));
                    self.add(call, [changed]);
                }
            }
        }
        if self.function == "vjp" && receiver == "cx" && ASKED.contains(&&*name) {
            self.add(call, [format!("{code}.detach()")]);
        }
    }

    /// What stands in `fused!`, `rules!` or a list.
    fn tokens(&mut self, mac: &syn::Macro) {
        let name = mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        match &*name {
            "fused" => {
                if let Ok(Expr::Closure(closure)) = syn::parse2::<Expr>(mac.tokens.clone()) {
                    self.visit_expr(&closure.body);
                }
            }
            "rules" => {
                let mut tokens = mac.tokens.clone().into_iter();
                let is = |token: &TokenTree, c: char| matches!(token, TokenTree::Punct(p) if p.as_char() == c);
                while tokens.by_ref().any(|token| is(&token, '=')) {
                    let formula: TokenStream =
                        tokens.by_ref().take_while(|token| !is(token, ';')).collect();
                    if let Ok(formula) = syn::parse2::<Expr>(formula) {
                        self.visit_expr(&formula);
                    }
                }
            }
            "smallvec" | "vec" => {
                use syn::parse::Parser;
                let list = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
                if let Ok(list) = list.parse2(mac.tokens.clone()) {
                    list.iter().for_each(|expr| self.visit_expr(expr));
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let outer = std::mem::replace(&mut self.function, function.sig.ident.to_string());
        self.visit_block(&function.block);
        self.function = outer;
    }
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let outer = std::mem::replace(&mut self.function, function.sig.ident.to_string());
        self.visit_block(&function.block);
        self.function = outer;
    }
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }
    // Constants, types and attributes are not where a rule is.
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if let Expr::Block(block) = &*item.expr {
            self.visit_block(&block.block); // `const _: () = { .. }`
        }
    }
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_stmt(&mut self, stmt: &'ast syn::Stmt) {
        if let syn::Stmt::Expr(expr @ (Expr::MethodCall(_) | Expr::Call(_)), Some(_)) = stmt
            && !self.code(expr).starts_with("drop(")
        {
            self.add(expr, ["{}".to_owned()]);
        }
        visit::visit_stmt(self, stmt);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.tokens(mac);
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            // Of what is asked here a detached variable says the same.
            Expr::MethodCall(call) if PLAIN.contains(&&*call.method.to_string()) => {
                if let Expr::MethodCall(asked) = &*call.receiver
                    && self.code(&asked.receiver) == "cx"
                {
                    return;
                }
            }
            _ => {}
        }
        match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::MethodCall(call) => self.method(call),
            Expr::Unary(syn::ExprUnary {
                op: UnOp::Neg(_) | UnOp::Not(_), expr: inner, ..
            }) => {
                let inner = self.code(inner).to_owned();
                self.add(expr, [inner]);
            }
            Expr::Closure(closure) if closure.inputs.is_empty() => {
                let body = self.code(&closure.body).to_owned();
                if self.slopes {
                    self.add(&closure.body, [format!("({body}).detached()")]);
                } else if self.function == "vjp" {
                    self.add(
                        &closure.body,
                        [format!("({body}).detach()"), format!("({body}).zeros_like()")],
                    );
                }
            }
            Expr::Call(call)
                if self.code(&call.func).ends_with("::select") && call.args.len() == 3 =>
            {
                let [_, a, b] = [0, 1, 2].map(|i| self.code(&call.args[i]).to_owned());
                self.add(expr, [a, b]);
            }
            Expr::Path(_) if matches!(self.code(expr), "T::ZERO" | "T::ONE") => {
                let other = if self.code(expr) == "T::ONE" { "T::ZERO" } else { "T::ONE" };
                self.add(expr, [other.to_owned()]);
            }
            Expr::Lit(syn::ExprLit { lit: Lit::Int(lit), .. })
                if matches!(&*self.function, "vjp" | "backward") && lit.suffix().is_empty() =>
            {
                let next = lit.base10_parse::<u32>().map(|n| (n + 1).to_string());
                self.add(expr, next.ok());
            }
            Expr::Lit(syn::ExprLit { lit: Lit::Float(_), .. }) => {
                let code = self.code(expr).to_owned();
                self.add(expr, [format!("({code} + 1.0)")]);
            }
            // A fast pass that says it did nothing is done again by `vjp`.
            Expr::Lit(syn::ExprLit { lit: Lit::Bool(_), .. }) if self.function == "backward" => {}
            Expr::Lit(syn::ExprLit { lit: Lit::Bool(lit), .. }) => {
                self.add(expr, [(!lit.value).to_string()])
            }
            _ => {}
        }
        visit::visit_expr(self, expr);
    }
}
