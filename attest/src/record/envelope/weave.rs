//! The serializer that writes a record's outermost object.
//!
//! A record's struct declares its own fields, in sorted order; `kind`, `time`
//! and `v` belong between them. Knowing where the digits of the time go lets
//! producers serialise in their own threads and the sequencer only copy.

use serde::ser::{self, Impossible, Serialize, SerializeStruct};

use crate::json::JsonFault;

use super::super::RECORD_VERSION;
use super::write_value;

/// The record's bytes without the digits of its time, and where they go.
pub(super) fn weave<T: Serialize>(
    body: &T,
    kind: &'static str,
) -> Result<(Vec<u8>, usize), JsonFault> {
    let fields = body.serialize(Outermost { kind }).map_err(|Fault| JsonFault::Value)?;
    Ok((fields.out, fields.time_at))
}

#[derive(Debug)]
struct Fault;

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a record")
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Outermost {
    kind: &'static str,
}

struct Fields {
    out: Vec<u8>,
    time_at: usize,
    kind: &'static str,
    /// How many of `kind`, `time` and `v` are written.
    woven: u8,
}

impl Fields {
    fn key(&mut self, key: &str) {
        self.out.push(if self.out.is_empty() { b'{' } else { b',' });
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Writes those of the envelope's fields that sort before `key`.
    fn weave_before(&mut self, key: Option<&str>) -> Result<(), Fault> {
        let due = |field: &str| key.is_none_or(|key| field < key);
        if self.woven == 0 && due("kind") {
            self.key("kind");
            write_value(self.kind, &mut self.out).map_err(|_| Fault)?;
            self.woven = 1;
        }
        if self.woven == 1 && due("time") {
            self.key("time");
            self.time_at = self.out.len();
            self.woven = 2;
        }
        if self.woven == 2 && due("v") {
            self.key("v");
            write_value(&RECORD_VERSION, &mut self.out).map_err(|_| Fault)?;
            self.woven = 3;
        }
        Ok(())
    }
}

impl SerializeStruct for Fields {
    type Ok = Self;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Fault> {
        self.weave_before(Some(key))?;
        self.key(key);
        write_value(value, &mut self.out).map_err(|_| Fault)
    }

    fn end(mut self) -> Result<Self, Fault> {
        self.weave_before(None)?;
        self.out.push(b'}');
        Ok(self)
    }
}

macro_rules! no_other_shape {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self $(, _: $argument)*) -> Result<Fields, Fault> { Err(Fault) })*
    };
}

impl ser::Serializer for Outermost {
    type Ok = Fields;
    type Error = Fault;
    type SerializeSeq = Impossible<Fields, Fault>;
    type SerializeTuple = Impossible<Fields, Fault>;
    type SerializeTupleStruct = Impossible<Fields, Fault>;
    type SerializeTupleVariant = Impossible<Fields, Fault>;
    type SerializeMap = Impossible<Fields, Fault>;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Fields, Fault>;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, Fault> {
        Ok(Fields { out: Vec::with_capacity(1024), time_at: 0, kind: self.kind, woven: 0 })
    }

    no_other_shape! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Fields, Fault> {
        Err(Fault)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Fields, Fault> {
        Err(Fault)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Fields, Fault> {
        Err(Fault)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Fault> {
        Err(Fault)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Fault> {
        Err(Fault)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Fault> {
        Err(Fault)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Fault> {
        Err(Fault)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Fault> {
        Err(Fault)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Fault> {
        Err(Fault)
    }
}
