//! The event files of TensorBoard, read back by the definition of their format.

use std::fs;
use std::path::Path;

use gradus_nn::losses::MeanSquaredError;
use gradus_optim::Sgd;
use gradus_train::*;

use super::Folder;
use super::callbacks::{data, line, quiet};

/// CRC-32C by its definition, bit by bit, with the mask of the format.
fn crc(data: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The fields of a protocol buffer: number and bytes, those of a number in place.
fn fields(mut data: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(data: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut all = Vec::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let length = match key & 7 {
            0 => {
                all.push((key >> 3, varint(&mut data).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut data) as usize,
            5 => 4,
            other => panic!("no wire type {other}"),
        };
        all.push((key >> 3, data[..length].to_vec()));
        data = &data[length..];
    }
    all
}

/// Tag, step and value of each number in the files of a folder.
fn events(folder: &Path) -> Vec<(String, u64, f32)> {
    let mut all = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        assert!(file.file_name().to_str().unwrap().starts_with("events.out.tfevents."));
        let bytes = fs::read(file.path()).unwrap();
        let (mut rest, mut count) = (&bytes[..], 0);
        while !rest.is_empty() {
            let u32_at = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(u32_at(8), crc(&rest[..8]));
            let record = &rest[12..12 + length];
            assert_eq!(u32_at(12 + length), crc(record));
            let event = fields(record);
            let field = |number: u64| event.iter().find(|field| field.0 == number).map(|f| &f.1);
            assert_eq!(field(1).unwrap().len(), 8, "a time");
            if count == 0 {
                assert_eq!(field(3).unwrap(), b"brain.Event:2");
            } else {
                let step = u64::from_le_bytes(field(2).unwrap()[..].try_into().unwrap());
                for (_, value) in fields(field(5).unwrap()) {
                    let value = fields(&value);
                    let tag = String::from_utf8(value[0].1.clone()).unwrap();
                    all.push((tag, step, f32::from_le_bytes(value[1].1[..].try_into().unwrap())));
                }
            }
            (rest, count) = (&rest[12 + length + 4..], count + 1);
        }
    }
    all
}

#[test]
fn event_files_of_tensorboard_are_read_back() {
    // The value that the definition gives for "123456789" is 0xe3069283, before the mask.
    assert_eq!(crc(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    let folder = Folder::new("events");
    let data = data();
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let board = TensorBoard::new(&*folder).every_batches(3);
    let history = model.fit(&data, quiet(130).validation(&data).callback(board)).unwrap();
    let train = events(&folder.join("train"));
    let column = |events: &[(String, u64, f32)], tag: &str| {
        let own = events.iter().filter(|event| event.0 == tag).cloned();
        own.map(|(_, step, value)| (step, value)).collect::<Vec<_>>()
    };
    let expected = |name: &str| {
        let values = history.column(name).into_iter().map(|x| x as f32);
        (0..).zip(values).collect::<Vec<(u64, f32)>>()
    };
    assert_eq!(column(&train, "epoch_loss"), expected("loss"));
    assert_eq!(column(&train, "epoch_learning_rate"), expected("lr"));
    assert_eq!(column(&events(&folder.join("validation")), "epoch_loss"), expected("val_loss"));
    let steps: Vec<u64> = column(&train, "batch_loss").iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, (3..=260).step_by(3).collect::<Vec<u64>>());
}
