// SPDX-License-Identifier: GPL-2.0
/* Small ELF files, made here, and what becomes of them when they are cut and spoilt. */
#include "elf.hh"

#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace lqrun;

namespace {

namespace fs = std::filesystem;

template <typename T>
std::string bytes(const T &value)
{
	return {reinterpret_cast<const char *>(&value), sizeof(value)};
}

template <typename T>
T head_of(const std::string &file)
{
	T head;
	std::memcpy(&head, file.data(), sizeof(head));
	return head;
}

/* One note, filled up to words. */
std::string note(std::uint32_t type, const std::string &name, const std::string &description)
{
	ElfW(Nhdr) head = {static_cast<ElfW(Word)>(name.size()),
			   static_cast<ElfW(Word)>(description.size()), type};
	std::string all = bytes(head) + name;
	all.resize((all.size() + 3) & ~std::size_t{3});
	all += description;
	all.resize((all.size() + 3) & ~std::size_t{3});
	return all;
}

const std::string gnu_note = note(3, std::string("GNU\0", 4), "12345678901234567890");
const std::string go_note = note(4, std::string("Go\0", 3), "an/id/of/go");

class elf : public ::testing::Test {
protected:
	void SetUp() override
	{
		char name[] = "/tmp/elf_test.XXXXXX";
		ASSERT_NE(mkdtemp(name), nullptr);
		root_ = name;
		std::ifstream("/proc/self/exe", std::ios::binary)
			.read(reinterpret_cast<char *>(&own_), sizeof(own_));
	}
	void TearDown() override { fs::remove_all(root_); }

	Elf of(const std::string &content)
	{
		std::ofstream(root_ / "file", std::ios::binary | std::ios::trunc) << content;
		return elf_of(root_ / "file");
	}

	/* A header, segments and what the last of them, or the sections, point to. */
	std::string with_segments(const std::vector<ElfW(Word)> &types, const std::string &notes)
	{
		ElfW(Ehdr) head = own_;
		head.e_phoff = sizeof(head);
		head.e_phentsize = sizeof(ElfW(Phdr));
		head.e_phnum = static_cast<ElfW(Half)>(types.size());
		head.e_shoff = 0;
		head.e_shnum = 0;
		std::string file = bytes(head);
		const std::size_t behind = sizeof(head) + types.size() * sizeof(ElfW(Phdr));
		for (ElfW(Word) type : types) {
			ElfW(Phdr) segment = {};
			segment.p_type = type;
			segment.p_offset = behind;
			segment.p_filesz = notes.size();
			file += bytes(segment);
		}
		return file + notes;
	}

	/* Sections of these names, and no notes; counted in the header, or in the first one. */
	std::string with_sections(const std::vector<std::string> &sections, bool in_first = false)
	{
		std::string file = with_segments({PT_INTERP}, "/lib/ld.so");
		std::string names(1, '\0');
		std::vector<ElfW(Shdr)> all(sections.size() + 2);
		for (std::size_t i = 0; i < sections.size(); i++) {
			all[i + 1].sh_name = static_cast<ElfW(Word)>(names.size());
			names += sections[i] + '\0';
		}
		all.back().sh_offset = file.size();
		all.back().sh_size = names.size();
		file += names;

		auto head = head_of<ElfW(Ehdr)>(file);
		head.e_shoff = file.size();
		head.e_shentsize = sizeof(ElfW(Shdr));
		head.e_shnum = in_first ? 0 : static_cast<ElfW(Half)>(all.size());
		head.e_shstrndx = in_first ? SHN_XINDEX : static_cast<ElfW(Half)>(all.size() - 1);
		all[0].sh_size = in_first ? all.size() : 0;
		all[0].sh_link = in_first ? static_cast<ElfW(Word)>(all.size() - 1) : 0;
		for (const ElfW(Shdr) & section : all)
			file += bytes(section);
		return bytes(head) + file.substr(sizeof(head));
	}

	fs::path root_;
	ElfW(Ehdr) own_ = {};
};

TEST_F(elf, dynamic_static_neither)
{
	EXPECT_EQ(of(with_segments({PT_LOAD, PT_INTERP}, "")), Elf::linked_dynamically);
	EXPECT_EQ(of(with_segments({PT_LOAD}, "")), Elf::linked_statically);
	EXPECT_EQ(of(""), Elf::none);
	EXPECT_EQ(of("#!/bin/sh\n" + std::string(100, 'x')), Elf::none);
	EXPECT_EQ(elf_of(root_ / "none"), Elf::none);
	EXPECT_EQ(elf_of(root_), Elf::none);
	EXPECT_EQ(elf_of("/proc/self/exe"), Elf::linked_dynamically);
}

TEST_F(elf, another_architecture)
{
	std::string file = with_segments({PT_INTERP, PT_NOTE}, go_note);
	file[18] = 0x7f; /* e_machine */
	EXPECT_EQ(of(file), Elf::other_architecture);
}

TEST_F(elf, go_by_its_note)
{
	EXPECT_EQ(of(with_segments({PT_NOTE}, go_note)), Elf::go);
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_NOTE}, go_note)), Elf::go);
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_NOTE}, gnu_note + go_note)), Elf::go);
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_LOAD, PT_NOTE}, go_note + gnu_note)), Elf::go);
}

TEST_F(elf, go_by_its_section)
{
	EXPECT_EQ(of(with_sections({".text", ".go.buildinfo", ".data"})), Elf::go);
	EXPECT_EQ(of(with_sections({".text", ".go.buildinfo"}, true)), Elf::go);
}

TEST_F(elf, others_are_not_go)
{
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_NOTE}, gnu_note)), Elf::linked_dynamically);
	/* Another type, another name, a name that only begins so. */
	for (const std::string &other :
	     {note(3, std::string("Go\0", 3), "x"), note(4, std::string("GNU\0", 4), "x"),
	      note(4, std::string("Gopher\0", 7), "x"), note(4, "Go", "x"), note(4, "", "Go")})
		EXPECT_EQ(of(with_segments({PT_INTERP, PT_NOTE}, other)), Elf::linked_dynamically);
	/* The same bytes in a segment that holds no notes. */
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_LOAD}, go_note)), Elf::linked_dynamically);
	EXPECT_EQ(of(with_sections({".text", ".go.buildinfos", "x.go.buildinfo"})),
		  Elf::linked_dynamically);
	EXPECT_EQ(of(with_sections({})), Elf::linked_dynamically);
}

TEST_F(elf, cut_anywhere)
{
	for (const std::string &file : {with_segments({PT_INTERP, PT_NOTE}, gnu_note + go_note),
					with_sections({".text", ".go.buildinfo", ".data"}),
					with_sections({".text", ".go.buildinfo"}, true)})
		for (std::size_t size = 0; size < file.size(); size++)
			EXPECT_EQ(of(file.substr(0, size)) == Elf::none, size < sizeof(own_))
				<< size;
}

TEST_F(elf, each_byte_spoilt)
{
	for (const std::string &file : {with_segments({PT_INTERP, PT_NOTE}, gnu_note + go_note),
					with_sections({".text", ".go.buildinfo", ".data"}, true)})
		for (std::size_t at = 0; at < file.size(); at++)
			for (char with : {'\0', '\x7f', '\xff'}) {
				std::string spoilt = file;
				spoilt[at] = with;
				EXPECT_EQ(of(spoilt) == Elf::none,
					  at < SELFMAG && spoilt[at] != file[at])
					<< at;
			}
}

TEST_F(elf, sizes_beyond_everything)
{
	std::string file = with_segments({PT_INTERP, PT_NOTE}, go_note);
	ElfW(Phdr) segment = {};
	segment.p_type = PT_NOTE;
	segment.p_filesz = ~ElfW(Xword){0};
	file.replace(sizeof(own_) + sizeof(segment), sizeof(segment), bytes(segment));
	EXPECT_EQ(of(file), Elf::linked_dynamically);

	auto head = head_of<ElfW(Ehdr)>(file);
	head.e_phoff = head.e_shoff = ~ElfW(Off){0};
	head.e_shentsize = sizeof(ElfW(Shdr));
	head.e_phnum = head.e_shnum = 0xffff;
	EXPECT_EQ(of(bytes(head) + file.substr(sizeof(head))), Elf::linked_statically);

	head.e_phoff = sizeof(head);
	head.e_phentsize = 1;
	EXPECT_EQ(of(bytes(head) + file.substr(sizeof(head))), Elf::linked_statically);
}

TEST_F(elf, a_note_longer_than_its_segment)
{
	ElfW(Nhdr) head = {~ElfW(Word){0}, ~ElfW(Word){0}, 4};
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_NOTE}, bytes(head) + "Go")),
		  Elf::linked_dynamically);
	head.n_namesz = 4;
	EXPECT_EQ(of(with_segments({PT_INTERP, PT_NOTE}, bytes(head) + "GNU" + '\0' + go_note)),
		  Elf::linked_dynamically);
}

/* What the compiler makes, where there is one that works. */
Elf built(const fs::path &root, const std::string &options)
{
	std::ofstream(root / "x.go") << "package main\nfunc main() {}\n";
	const std::string make = "cd " + root.string() + " && GO111MODULE=off go build " + options +
				 " -o x x.go >/dev/null 2>&1";
	return std::system(make.c_str()) == 0 ? elf_of(root / "x") : Elf::none;
}

TEST_F(elf, made_by_go)
{
	const Elf plain = built(root_, "");
	if (plain == Elf::none)
		GTEST_SKIP() << "no go";
	EXPECT_EQ(plain, Elf::go);
	EXPECT_EQ(built(root_, "-buildmode=pie -ldflags='-s -w'"), Elf::go);
	EXPECT_EQ(built(root_, "-ldflags='-s -w -buildid='"), Elf::go);
}

} // namespace
