module github.com/Basekick-Labs/memtrace/pkg/sdk

go 1.22
