// words.cpp - counts the words of its input: a C++ program that is dear to compile (regex, map,
// iostream, algorithms) and lives on its heap. Compiled and run by tools/demo and tools/programs.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct Count {
    std::string word;
    std::size_t times;
};

std::map<std::string, std::size_t> count_words(std::istream &input)
{
    static const std::regex word("[A-Za-z_][A-Za-z_0-9]*");
    std::map<std::string, std::size_t> counts;

    for (std::string line; std::getline(input, line);)
        for (std::sregex_iterator it(line.begin(), line.end(), word), end; it != end; ++it)
            counts[it->str()]++;
    if (counts.empty())
        throw std::runtime_error("no words");
    return counts;
}

std::vector<std::unique_ptr<Count>> most_frequent(const std::map<std::string, std::size_t> &counts)
{
    std::vector<std::unique_ptr<Count>> list;

    for (const auto &[word, times] : counts)
        list.push_back(std::make_unique<Count>(Count{word, times}));
    std::stable_sort(list.begin(), list.end(),
        [](const auto &a, const auto &b) { return a->times > b->times; });
    return list;
}

std::size_t distinct_lengths(const std::map<std::string, std::size_t> &counts)
{
    std::unordered_map<std::size_t, std::vector<std::string>> by_length;

    for (const auto &entry : counts)
        by_length[entry.first.size()].push_back(entry.first);
    return by_length.size();
}

} // namespace

int main()
{
    try {
        auto counts = count_words(std::cin);
        auto list = most_frequent(counts);

        for (std::size_t i = 0; i < std::min<std::size_t>(10, list.size()); i++)
            std::cout << list[i]->times << ' ' << list[i]->word << '\n';
        std::cout << counts.size() << " words of " << distinct_lengths(counts) << " lengths\n";
        std::istringstream empty;
        count_words(empty);
    } catch (const std::exception &exception) {
        std::cout << "then " << exception.what() << '\n';
    }
    return 0;
}
