//! `#[derive(Module)]`: finds the parameters in a struct.
//!
//! Each field is visited under its name; `#[module(skip)]` leaves one out. The struct is a module
//! for every element type for which all its fields are, so `Net { l1: Dense }` is one for `f32`, and
//! `Net<T> { l1: Dense<T> }` for both.
#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Field, Member};

/// Implements `Module`: each field that is not marked `#[module(skip)]` is visited under its name.
#[proc_macro_derive(Module, attributes(module))]
pub fn module(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream, Error> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "Module can be derived for structs only"));
    };
    let mut visited = Vec::new();
    for (field, member) in data.fields.iter().zip(data.fields.members()) {
        if !is_skipped(field)? {
            visited.push((field, member));
        }
    }
    let (name, core) = (&input.ident, core_crate());
    let element = format_ident!("__T");
    let bounds = visited.iter().map(|(field, _)| {
        let ty = &field.ty;
        quote!(#ty: #core::Module<#element>)
    });
    let visit = |method: TokenStream| {
        let calls = visited.iter().map(|(_, member)| {
            let place = match member {
                Member::Named(name) => {
                    let name = name.unraw().to_string();
                    quote!(__path.field(#name))
                }
                Member::Unnamed(at) => {
                    let at = at.index as usize;
                    quote!(__path.item(#at))
                }
            };
            quote!(self.#member.#method(#place, __f);)
        });
        quote!(#(#calls)*)
    };
    let (visit, visit_mut) = (visit(quote!(visit)), visit(quote!(visit_mut)));
    let mut generics = input.generics.clone();
    generics.params.push(syn::parse_quote!(#element: #core::Float));
    let (impl_generics, _, _) = generics.split_for_impl();
    let (_, ty_generics, where_clause) = input.generics.split_for_impl();
    let given = where_clause.map(|clause| {
        let predicates = clause.predicates.iter();
        quote!(#(#predicates,)*)
    });
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #core::Module<#element> for #name #ty_generics
        where
            #given
            #(#bounds,)*
        {
            fn visit<'m>(
                &'m self,
                __path: #core::Path<'_>,
                __f: &mut dyn FnMut(#core::Path<'_>, &'m #core::Param<#element>),
            ) {
                #visit
            }
            fn visit_mut(
                &mut self,
                __path: #core::Path<'_>,
                __f: &mut dyn FnMut(#core::Path<'_>, &mut #core::Param<#element>),
            ) {
                #visit_mut
            }
        }
    })
}

/// Where `Module` is found: through the façade if the crate depends on it, else directly.
fn core_crate() -> TokenStream {
    match std::env::var("CARGO_PKG_NAME").as_deref() {
        Ok("gradus-nn" | "gradus-optim" | "gradus-train" | "gradus-autograd") => {
            quote!(::gradus_autograd)
        }
        _ => quote!(::gradus::autograd),
    }
}

fn is_skipped(field: &Field) -> Result<bool, Error> {
    let mut skip = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                skip = true;
                return Ok(());
            }
            Err(meta.error("the only setting of a module's field is `skip`"))
        })?;
    }
    Ok(skip)
}
