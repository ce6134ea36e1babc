"""What is in the zips: one static program each, and nothing that AWS Lambda would have to bring along."""

import pathlib
import struct
import tempfile
import unittest
import zipfile

from bootstraps import KINDS, zip_of
import lambda_zip

MOST_BYTES = 5_000_000
PT_DYNAMIC, PT_INTERP, PT_GNU_STACK, EXECUTABLE = 2, 3, 0x6474E551, 1


def segments_of(program):
    """[(type, flags)] of a 64-bit little-endian ELF file, and its machine."""
    assert program[:6] == b"\x7fELF\x02\x01", "not a 64-bit little-endian ELF file"
    kind, machine = struct.unpack_from("<HH", program, 16)
    assert kind == 2, "not a program at a fixed address"
    offset, = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    return machine, [struct.unpack_from("<II", program, offset + i * size) for i in range(count)]


class Cases:
    def setUp(self):
        self.path = zip_of(self.kind)
        with zipfile.ZipFile(self.path) as archive:
            self.entries = archive.infolist()
            self.program = archive.read("bootstrap")

    def test_it_is_small(self):
        self.assertLessEqual(self.path.stat().st_size, MOST_BYTES)

    def test_one_executable_file_at_the_root(self):
        self.assertEqual([entry.filename for entry in self.entries], ["bootstrap"])
        entry, = self.entries
        self.assertEqual(oct(entry.external_attr >> 16), oct(0o100755))
        self.assertEqual(entry.create_system, 3)
        self.assertIn(entry.compress_type, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))  # Lambda knows no others

    def test_a_static_program_for_its_machine(self):
        machine, segments = segments_of(self.program)
        self.assertEqual(machine, self.kind.machine)
        types = [kind for kind, _ in segments]
        self.assertNotIn(PT_INTERP, types, "it needs a dynamic linker")
        self.assertNotIn(PT_DYNAMIC, types, "it needs libraries")
        self.assertEqual([flags & EXECUTABLE for kind, flags in segments if kind == PT_GNU_STACK], [0])
        self.assertNotIn(b".symtab\0", self.program)

    def test_the_same_program_gives_the_same_zip(self):
        with tempfile.TemporaryDirectory() as folder:
            program, again = pathlib.Path(folder, "p"), pathlib.Path(folder, "again.zip")
            program.write_bytes(self.program)
            lambda_zip.pack(program, again)
            self.assertEqual(again.read_bytes(), self.path.read_bytes())


class X86Test(Cases, unittest.TestCase):
    kind = KINDS["x86_64"]


class ArmTest(Cases, unittest.TestCase):
    kind = KINDS["arm64"]


if __name__ == "__main__":
    unittest.main()
