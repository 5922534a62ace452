# For perl: hashes of arrays, splitting, matching, joining, sorting of a file's words.
use strict;
use warnings;

my (%lines_of, %count);
my $total = 0;
while (my $line = <STDIN>) {
    last if $. > 62000;
    my ($number, $value, @words) = split ' ', $line;
    push @{ $lines_of{$words[0]} }, $number if @words;
    $count{$_}++ for @words;
    $total += length join ',', map { ucfirst } reverse @words;
    $total++ while $line =~ /(ba|ti)(\w+)/g && length $2;
}
for my $word (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count) {
    $total += $count{$word} * @{ $lines_of{$word} // [] };
}
print "$total\n";
